metadata description = 'The durable log: the account of the Capture files, the queue that tells of new ones, and what the loader may do with both.'

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

@description('Let in only private endpoints and Azure\'s own trusted services, of which Capture and Event Grid are.')
param privateNetworking bool

@description('Days after which a file moves to the cool tier; 0 never.')
@minValue(0)
param coolAfterDays int

@description('Days after which a file is deleted; 0 never. What is deleted cannot be loaded again.')
@minValue(0)
param deleteAfterDays int

@description('Object id of the loader\'s identity.')
param loaderPrincipalId string

@description('Lock the account against deletion.')
param protect bool

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var blobDataReader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
var queueDataMessageProcessor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '8a0f0c08-91a1-4084-bc3d-661d67233fed')
var queueDataMessageSender = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')

var tiering = coolAfterDays > 0 ? { tierToCool: { daysAfterModificationGreaterThan: coolAfterDays } } : {}
var deletion = deleteAfterDays > 0 ? { delete: { daysAfterModificationGreaterThan: deleteAfterDays } } : {}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    // Capture writes to no premium account.
    name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    // Only Entra identities: there is no key that could leak.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Not 'Disabled' in a private network: Capture comes as a trusted service.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      // A container group outside a VNet has no address that could be named here.
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }
}

resource accountLock 'Microsoft.Authorization/locks@2020-05-01' = if (protect) {
  name: 'durable-log'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Everything downstream can be rebuilt from these files, and from nothing else.'
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource captureContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'capture'
  properties: {
    publicAccess: 'None'
  }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (coolAfterDays > 0 || deleteAfterDays > 0) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'capture-files'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${captureContainer.name}/'
              ]
            }
            actions: {
              baseBlob: union(tiering, deletion)
            }
          }
        }
      ]
    }
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource notificationsQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'capture-files'
}

// Where the loader puts messages that make no sense.
resource poisonQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: '${notificationsQueue.name}-poison'
}

resource loaderReadsFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(captureContainer.id, loaderPrincipalId, blobDataReader)
  scope: captureContainer
  properties: {
    principalId: loaderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: blobDataReader
    description: 'lists and reads the Capture files'
  }
}

resource loaderTakesNotifications 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(notificationsQueue.id, loaderPrincipalId, queueDataMessageProcessor)
  scope: notificationsQueue
  properties: {
    principalId: loaderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: queueDataMessageProcessor
    description: 'receives and deletes notifications'
  }
}

resource loaderSetsAside 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(poisonQueue.id, loaderPrincipalId, queueDataMessageSender)
  scope: poisonQueue
  properties: {
    principalId: loaderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: queueDataMessageSender
    description: 'sets malformed notifications aside'
  }
}

// Writes and deletions only: the loader lists every few seconds, and each reading would be a line.
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: queues
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

@description('Name of the container.')
output containerName string = captureContainer.name

@description('Address of the container.')
output containerUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}/${captureContainer.name}'

@description('Name of the queue of notifications.')
output queueName string = notificationsQueue.name

@description('Address of the queue of notifications.')
output queueUrl string = 'https://${account.name}.queue.${environment().suffixes.storage}/${notificationsQueue.name}'
