metadata description = 'Event Hubs: a namespace with the Kafka endpoint, the hub with Capture, and who may send.'

@description('Name of the namespace.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the event hub.')
param eventHubName string

@description('Partitions of the event hub; cannot be changed later.')
@minValue(1)
@maxValue(32)
param partitionCount int

@description('Hours that events stay in the hub itself.')
@minValue(1)
@maxValue(168)
param retentionHours int

@description('Throughput units.')
@minValue(1)
@maxValue(40)
param throughputUnits int

@description('Throughput units it may grow to; 0 keeps it as it is.')
@minValue(0)
@maxValue(40)
param maximumThroughputUnits int

@description('Seconds after which Capture closes a file.')
@minValue(60)
@maxValue(900)
param captureIntervalSeconds int

@description('Bytes at which Capture closes a file.')
@minValue(10485760)
@maxValue(524288000)
param captureSizeLimitBytes int

@description('Name of the Capture files\' storage account.')
param accountName string

@description('Name of the Capture files\' container.')
param containerName string

@description('Resource id of the identity that Capture writes with.')
param captureIdentityId string

@description('Object id of the identity that Capture writes with.')
param capturePrincipalId string

@description('Object ids of identities that may send.')
param producerPrincipalIds array

@description('Make a Send-only connection string; without it the namespace takes Entra tokens only.')
param producerConnectionString bool

@description('Let in only private endpoints and the addresses named.')
param privateNetworking bool

@description('Public addresses let in despite private networking.')
param producerAddresses array

@description('Spread over zones.')
param zoneRedundant bool

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

// The loader's default for its name format; a check holds the two together.
var archiveNameFormat = '{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}'

var blobDataContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
var eventHubsDataSender = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2b629674-e913-4c01-ae53-ef4638d8f975')

var publicNetworkAccess = privateNetworking && empty(producerAddresses) ? 'Disabled' : 'Enabled'

resource captureAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

// On the account, as Microsoft's instructions have it; nothing but the Capture files is in its blobs.
resource captureWritesFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(captureAccount.id, capturePrincipalId, blobDataContributor)
  scope: captureAccount
  properties: {
    principalId: capturePrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: blobDataContributor
    description: 'writes the Capture files'
  }
}

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: {
    // Basic has neither Kafka nor Capture.
    name: 'Standard'
    tier: 'Standard'
    capacity: throughputUnits
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${captureIdentityId}': {}
    }
  }
  properties: {
    kafkaEnabled: true
    minimumTlsVersion: '1.2'
    zoneRedundant: zoneRedundant
    disableLocalAuth: !producerConnectionString
    isAutoInflateEnabled: maximumThroughputUnits > 0
    maximumThroughputUnits: maximumThroughputUnits
    publicNetworkAccess: publicNetworkAccess
  }
}

resource networkRules 'Microsoft.EventHub/namespaces/networkRuleSets@2026-01-01' = if (privateNetworking) {
  parent: namespace
  name: 'default'
  properties: {
    defaultAction: 'Deny'
    publicNetworkAccess: publicNetworkAccess
    trustedServiceAccessEnabled: true
    ipRules: [for address in producerAddresses: {
      action: 'Allow'
      ipMask: address
    }]
  }
}

resource eventHub 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: eventHubName
  properties: {
    partitionCount: partitionCount
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
    captureDescription: {
      enabled: true
      encoding: 'Avro'
      intervalInSeconds: captureIntervalSeconds
      sizeLimitInBytes: captureSizeLimitBytes
      skipEmptyArchives: true
      destination: {
        name: 'EventHubArchive.AzureBlockBlob'
        identity: {
          type: 'UserAssigned'
          userAssignedIdentity: captureIdentityId
        }
        properties: {
          storageAccountResourceId: captureAccount.id
          blobContainer: containerName
          archiveNameFormat: archiveNameFormat
        }
      }
    }
  }
  // Event Hubs tries to write when Capture is switched on, and refuses the hub if it may not.
  dependsOn: [
    captureWritesFiles
  ]
}

// Of the hub, not of the namespace, and nothing but Send.
resource producers 'Microsoft.EventHub/namespaces/eventhubs/authorizationRules@2026-01-01' = if (producerConnectionString) {
  parent: eventHub
  name: 'producers'
  properties: {
    rights: [
      'Send'
    ]
  }
}

resource producersSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in producerPrincipalIds: {
  name: guid(eventHub.id, principalId, eventHubsDataSender)
  scope: eventHub
  properties: {
    // No type: it may be a user, a group or a service.
    principalId: principalId
    roleDefinitionId: eventHubsDataSender
    description: 'sends events'
  }
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: namespace
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

@description('Resource id of the namespace.')
output namespaceId string = namespace.id

@description('Short name of the namespace, as it stands in the files\' names.')
output namespaceName string = namespace.name

@description('Name of the event hub.')
output eventHubName string = eventHub.name

@description('Name of the Send-only rule; empty without one.')
output producersRuleName string = producerConnectionString ? 'producers' : ''

@description('Address for Kafka clients.')
output kafkaBootstrap string = '${namespace.name}.servicebus.windows.net:9093'
