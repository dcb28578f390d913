metadata description = 'Container registry. Who pulls from it has an identity; there is no admin user.'

@description('Name of the registry.')
@minLength(5)
@maxLength(50)
param registryName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Copies in three zones; needs the tier Premium.')
param zoneRedundant bool

@description('Let in only private endpoints, and Azure\'s own trusted services; needs the tier Premium.')
param privateNetworking bool

@description('Public addresses from which images may be pushed despite private networking.')
param operatorAddresses array

@description('Object id of the identity that pulls for the container group.')
param pullPrincipalId string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var acrPull = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')
var premium = zoneRedundant || privateNetworking

var ipRules = [for address in operatorAddresses: {
  action: 'Allow'
  value: address
}]

var networkRules = {
  defaultAction: privateNetworking ? 'Deny' : 'Allow'
  ipRules: ipRules
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: registryName
  location: location
  tags: tags
  sku: {
    name: premium ? 'Premium' : 'Basic'
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    zoneRedundancy: premium ? (zoneRedundant ? 'Enabled' : 'Disabled') : null
    publicNetworkAccess: privateNetworking && empty(operatorAddresses) ? 'Disabled' : 'Enabled'
    // Container instances pull as a trusted service.
    networkRuleBypassOptions: 'AzureServices'
    networkRuleSet: premium ? networkRules : null
  }
}

resource pullPulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, pullPrincipalId, acrPull)
  scope: registry
  properties: {
    principalId: pullPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: acrPull
    description: 'pulls images for the container group'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: registry
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the registry.')
output registryId string = registry.id

@description('Name of the registry.')
output registryName string = registry.name

@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer
