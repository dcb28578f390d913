metadata description = 'AKS for those who outgrow one container group. What runs in it is in deploy/aks; here are the cluster and the trust between its service accounts and the identities.'

@description('Name of the cluster.')
@minLength(1)
@maxLength(63)
param clusterName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Size of the nodes.')
param nodeSize string

@description('Nodes at the least.')
@minValue(1)
@maxValue(100)
param nodes int

@description('Nodes at the most.')
@minValue(1)
@maxValue(100)
param maximumNodes int

@description('Nodes in three zones.')
param zoneRedundant bool

@description('The cluster\'s API is reached from the VNet only.')
param privateNetworking bool

@description('Name of the VNet whose subnet `cluster` the nodes are in; empty for a network of its own.')
param vnetName string

@description('Public addresses that may reach the cluster\'s API; empty for all of them.')
param operatorAddresses array

@description('Resource id of the control plane\'s identity.')
param clusterIdentityId string

@description('Object id of the control plane\'s identity.')
param clusterPrincipalId string

@description('Name of the loader\'s identity.')
param loaderIdentityName string

@description('Name of the guard\'s identity.')
param guardIdentityName string

@description('Name of RisingWave\'s identity.')
param risingwaveIdentityName string

@description('Name of the registry that the nodes pull from; empty for none.')
param registryName string

@description('Object id of who deploys and operates; empty for nobody.')
param operatorPrincipalId string

@description('Kind of that identity.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var acrPull = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')
var networkContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7')
var clusterAdmin = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b')

// Part of the contract with deploy/aks.
var kubernetesNamespace = 'deltawave'

var ownVnet = !empty(vnetName)
var withRegistry = !empty(registryName)

resource vnet 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: ownVnet ? vnetName : 'none'
}

resource clusterSubnet 'Microsoft.Network/virtualNetworks/subnets@2025-05-01' existing = {
  parent: vnet
  name: 'cluster'
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: withRegistry ? registryName : 'nothing'
}

resource clusterJoinsSubnet 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (ownVnet) {
  name: guid(clusterSubnet.id, clusterPrincipalId, networkContributor)
  scope: clusterSubnet
  properties: {
    principalId: clusterPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: networkContributor
    description: 'puts nodes and load balancers into the subnet'
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-10-01' = {
  name: clusterName
  location: location
  tags: tags
  sku: {
    name: 'Base'
    tier: zoneRedundant ? 'Standard' : 'Free'
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${clusterIdentityId}': {}
    }
  }
  properties: {
    dnsPrefix: clusterName
    enableRBAC: true
    // Entra accounts only, whose rights are role assignments like all others.
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
    }
    // Pods trade their service account's token for an identity's.
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
      imageCleaner: {
        enabled: true
        intervalHours: 168
      }
    }
    apiServerAccessProfile: {
      enablePrivateCluster: privateNetworking
      authorizedIPRanges: privateNetworking ? [] : operatorAddresses
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      // Makes the network policies of deploy/aks hold.
      networkPolicy: 'cilium'
      outboundType: ownVnet ? 'userAssignedNATGateway' : 'loadBalancer'
    }
    autoUpgradeProfile: {
      upgradeChannel: 'patch'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        type: 'VirtualMachineScaleSets'
        vmSize: nodeSize
        osType: 'Linux'
        osSKU: 'AzureLinux'
        count: nodes
        enableAutoScaling: true
        minCount: nodes
        maxCount: max(nodes, maximumNodes)
        maxPods: 60
        availabilityZones: zoneRedundant ? ['1', '2', '3'] : null
        vnetSubnetID: ownVnet ? clusterSubnet.id : null
      }
    ]
    addonProfiles: {
      omsagent: {
        enabled: true
        config: {
          logAnalyticsWorkspaceResourceID: workspaceId
          useAADAuth: 'true'
        }
      }
    }
  }
  // Without the right to the subnet the cluster is not made.
  dependsOn: [
    clusterJoinsSubnet
  ]
}

resource loader 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: loaderIdentityName
}

resource guard 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: guardIdentityName
}

resource risingwave 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: risingwaveIdentityName
}

resource loaderTrust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: loader
  name: 'loader'
  properties: {
    issuer: cluster.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:${kubernetesNamespace}:loader'
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

resource guardTrust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: guard
  name: 'guard'
  properties: {
    issuer: cluster.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:${kubernetesNamespace}:guard'
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

resource risingwaveTrust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: risingwave
  name: 'risingwave'
  properties: {
    issuer: cluster.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:${kubernetesNamespace}:risingwave'
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

resource nodesPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (withRegistry) {
  name: guid(registry.id, cluster.id, acrPull)
  scope: registry
  properties: {
    principalId: cluster.properties.identityProfile.kubeletidentity.objectId
    principalType: 'ServicePrincipal'
    roleDefinitionId: acrPull
    description: 'pulls images for the cluster\'s nodes'
  }
}

resource operatorAdministers 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(cluster.id, operatorPrincipalId, clusterAdmin)
  scope: cluster
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: clusterAdmin
    description: 'applies deploy/aks to the cluster'
  }
}

// The agent on the nodes sends what this rule names, containers' output among it.
resource collection 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: '${clusterName}-containers'
  location: location
  tags: tags
  kind: 'Linux'
  properties: {
    dataSources: {
      extensions: [
        {
          name: 'ContainerInsightsExtension'
          extensionName: 'ContainerInsights'
          streams: [
            'Microsoft-ContainerInsights-Group-Default'
          ]
          extensionSettings: {
            dataCollectionSettings: {
              interval: '1m'
              namespaceFilteringMode: 'Include'
              namespaces: [
                kubernetesNamespace
              ]
              enableContainerLogV2: true
            }
          }
        }
      ]
    }
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: workspaceId
        }
      ]
    }
    dataFlows: [
      {
        streams: [
          'Microsoft-ContainerInsights-Group-Default'
        ]
        destinations: [
          'workspace'
        ]
      }
    ]
  }
}

resource collects 'Microsoft.Insights/dataCollectionRuleAssociations@2024-03-11' = {
  name: 'ContainerInsightsExtension'
  scope: cluster
  properties: {
    dataCollectionRuleId: collection.id
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: cluster
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        // Who changed what; reads are left out, they are by far the most.
        category: 'kube-audit-admin'
        enabled: true
      }
      {
        category: 'guard'
        enabled: true
      }
      {
        category: 'cluster-autoscaler'
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

@description('Name of the cluster.')
output clusterName string = cluster.name
