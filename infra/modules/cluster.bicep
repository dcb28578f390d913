metadata description = 'AKS for those who outgrow one container group. What runs in it is in deploy/aks; here are the cluster and the trust between its service accounts and the identities.'

import { Cluster, Common, Identity, Operator, right, rightOfSomebody, role } from 'types.bicep'

param common Common
param size Cluster
param operator Operator
param controlPlane Identity

@description('Name of the VNet whose subnet `cluster` the nodes are in; null for a network of its own.')
param vnetName string?

@description('Names of the identities that service accounts of the same role may have: loader, guard, risingwave.')
param accounts { account: string, identity: string }[]

@description('Name of the registry that the nodes pull from; null for none.')
param registryName string?

// Part of the contract with deploy/aks.
var kubernetesNamespace = 'deltawave'

resource vnet 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: vnetName ?? 'none'

  resource subnet 'subnets' existing = {
    name: 'cluster'
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName ?? 'nothing'
}

resource clusterJoinsSubnet 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (vnetName != null) {
  name: guid(vnet::subnet.id, controlPlane.principalId, role('Network Contributor'))
  scope: vnet::subnet
  properties: right(controlPlane.principalId, 'Network Contributor', 'puts nodes and load balancers into the subnet')
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-10-01' = {
  name: '${common.name}-aks'
  location: common.location
  tags: common.tags
  sku: { name: 'Base', tier: common.zoneRedundant ? 'Standard' : 'Free' }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${controlPlane.id}': {} } }
  properties: {
    dnsPrefix: '${common.name}-aks'
    enableRBAC: true
    // Entra accounts only, whose rights are role assignments like all others.
    disableLocalAccounts: true
    aadProfile: { managed: true, enableAzureRBAC: true }
    // Pods trade their service account's token for an identity's.
    oidcIssuerProfile: { enabled: true }
    securityProfile: { workloadIdentity: { enabled: true }, imageCleaner: { enabled: true, intervalHours: 168 } }
    apiServerAccessProfile: {
      enablePrivateCluster: common.private
      authorizedIPRanges: common.private ? [] : operator.addresses
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      // Makes the network policies of deploy/aks hold.
      networkPolicy: 'cilium'
      outboundType: vnetName != null ? 'userAssignedNATGateway' : 'loadBalancer'
    }
    autoUpgradeProfile: { upgradeChannel: 'patch', nodeOSUpgradeChannel: 'NodeImage' }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        type: 'VirtualMachineScaleSets'
        vmSize: size.nodeSize
        osType: 'Linux'
        osSKU: 'AzureLinux'
        count: size.nodes
        enableAutoScaling: true
        minCount: size.nodes
        maxCount: max(size.nodes, size.maximumNodes)
        maxPods: 60
        availabilityZones: common.zoneRedundant ? ['1', '2', '3'] : null
        vnetSubnetID: vnetName != null ? vnet::subnet.id : null
      }
    ]
    addonProfiles: { omsagent: { enabled: true, config: { logAnalyticsWorkspaceResourceID: common.workspaceId, useAADAuth: 'true' } } }
  }
  // Without the right to the subnet the cluster is not made.
  dependsOn: [clusterJoinsSubnet]
}

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for each in accounts: {
    name: each.identity
  }
]

resource trust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = [
  for (each, i) in accounts: {
    parent: identities[i]
    name: each.account
    properties: {
      issuer: cluster.properties.oidcIssuerProfile.issuerURL
      subject: 'system:serviceaccount:${kubernetesNamespace}:${each.account}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
]

resource nodesPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (registryName != null) {
  name: guid(registry.id, cluster.id, role('AcrPull'))
  scope: registry
  properties: right(cluster.properties.identityProfile.kubeletidentity.objectId, 'AcrPull', 'pulls images for the cluster\'s nodes')
}

resource operatorAdministers 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operator.principalId)) {
  name: guid(cluster.id, operator.principalId, role('Azure Kubernetes Service RBAC Cluster Admin'))
  scope: cluster
  properties: rightOfSomebody(operator.principalId, 'Azure Kubernetes Service RBAC Cluster Admin', 'applies deploy/aks to the cluster')
}

// The agent on the nodes sends what this rule names, containers' output among it.
resource collection 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: '${cluster.name}-containers'
  location: common.location
  tags: common.tags
  kind: 'Linux'
  properties: {
    dataSources: {
      extensions: [
        {
          name: 'ContainerInsightsExtension'
          extensionName: 'ContainerInsights'
          streams: ['Microsoft-ContainerInsights-Group-Default']
          extensionSettings: {
            dataCollectionSettings: {
              interval: '1m'
              namespaceFilteringMode: 'Include'
              namespaces: [kubernetesNamespace]
              enableContainerLogV2: true
            }
          }
        }
      ]
    }
    destinations: { logAnalytics: [{ name: 'workspace', workspaceResourceId: common.workspaceId }] }
    dataFlows: [{ streams: ['Microsoft-ContainerInsights-Group-Default'], destinations: ['workspace'] }]
  }
}

resource collects 'Microsoft.Insights/dataCollectionRuleAssociations@2024-03-11' = {
  name: 'ContainerInsightsExtension'
  scope: cluster
  properties: { dataCollectionRuleId: collection.id }
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: cluster
  properties: {
    workspaceId: common.workspaceId
    // Of the audit, who changed what; reads are left out, they are by far the most.
    logs: map(['kube-audit-admin', 'guard', 'cluster-autoscaler'], category => { category: category, enabled: true })
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output clusterName string = cluster.name
