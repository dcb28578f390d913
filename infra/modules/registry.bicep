metadata description = 'Container registry, which builds the image from its source. Who pulls from it has an identity; there is no admin user.'

import { Common, everything, Identity, Operator, right, role } from 'types.bicep'

param common Common
param operator Operator
param rebuild string

@minLength(5)
@maxLength(50)
param registryName string

@description('The identity that pulls for the container group; a cluster\'s nodes have their own.')
param pull Identity?

@description('Git address that the image is built from; empty to build none.')
param source string

var premium = common.zoneRedundant || common.private
// The same for the same source, so that deploying again builds nothing and changes no container.
var tag = uniqueString(source, rebuild)

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: registryName
  location: common.location
  tags: common.tags
  sku: { name: premium ? 'Premium' : 'Basic' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    zoneRedundancy: premium ? (common.zoneRedundant ? 'Enabled' : 'Disabled') : null
    publicNetworkAccess: common.private && empty(operator.addresses) ? 'Disabled' : 'Enabled'
    // Container instances pull as a trusted service.
    networkRuleBypassOptions: 'AzureServices'
    networkRuleSet: premium
      ? {
          defaultAction: common.private ? 'Deny' : 'Allow'
          ipRules: map(operator.addresses, address => { action: 'Allow', value: address })
        }
      : null
  }
}

resource pullPulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (pull != null) {
  name: guid(registry.id, pull!.principalId, role('AcrPull'))
  scope: registry
  properties: right(pull!.principalId, 'AcrPull', 'pulls images for the container group')
}

// The deployment waits for it, and fails with it.
resource build 'Microsoft.ContainerRegistry/registries/taskRuns@2025-03-01-preview' = if (!empty(source)) {
  parent: registry
  name: 'deltawave'
  location: common.location
  properties: {
    forceUpdateTag: tag
    runRequest: {
      type: 'DockerBuildRequest'
      sourceLocation: source
      dockerFilePath: 'deploy/Dockerfile'
      imageNames: ['deltawave:${tag}']
      isPushEnabled: true
      platform: { os: 'Linux', architecture: 'amd64' }
      // Rust, librdkafka and OpenSSL in release mode on two cores; Azure's own limit would be an hour.
      timeout: 7200
    }
  }
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: registry
  properties: { workspaceId: common.workspaceId, ...everything }
}

output registryId string = registry.id
output registryName string = registry.name
output loginServer string = registry.properties.loginServer

@description('The image that was built; empty without a source.')
output image string = empty(source) ? '' : '${registry.properties.loginServer}/deltawave:${tag}'
