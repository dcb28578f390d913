metadata description = 'RisingWave\'s state. An account of its own, so that only this one needs a key.'

@description('Name of the storage account.')
@minLength(3)
@maxLength(24)
param accountName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Copies in three zones instead of one.')
param zoneRedundant bool

@description('Let in only private endpoints.')
param privateNetworking bool

@description('RisingWave comes with the account key. On container instances its blob client cannot use an identity.')
param sharedKey bool

@description('Object id of RisingWave\'s identity, which comes instead of the key.')
param risingwavePrincipalId string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var blobDataContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: sharedKey
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      // A container group outside a VNet has no address that could be named here.
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }
}

// No soft delete: compaction writes and deletes all the time, and everything can be rebuilt from the Capture files.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource stateContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'risingwave'
  properties: {
    publicAccess: 'None'
  }
}

resource risingwaveKeepsState 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!sharedKey) {
  name: guid(stateContainer.id, risingwavePrincipalId, blobDataContributor)
  scope: stateContainer
  properties: {
    principalId: risingwavePrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: blobDataContributor
    description: 'keeps its state'
  }
}

// Metrics only: an engine reads and writes its state many times a second.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the account.')
output accountId string = account.id

@description('Name of the account.')
output accountName string = account.name

@description('Blob endpoint without a slash at its end.')
output endpoint string = 'https://${account.name}.blob.${environment().suffixes.storage}'

@description('Name of the container.')
output containerName string = stateContainer.name
