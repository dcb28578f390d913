metadata description = 'Event Hubs: a namespace with the Kafka endpoint, the hub with Capture, and who may send.'

import { Capture, Common, everything, Identity, Producers, right, rightOfSomebody, role, Stream } from 'types.bicep'

param common Common
param stream Stream
param capture Capture
param accountId string
param containerName string
param producers Producers
param demo Identity?

@description('The identity that reads the newest events, if the live lane is on.')
param reader Identity?

param vaultName string

@minLength(6)
@maxLength(50)
param namespaceName string

@description('The identity that Capture writes with.')
param writer Identity

var closed = common.private && empty(producers.addresses) ? 'Disabled' : 'Enabled'

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' = {
  name: namespaceName
  location: common.location
  tags: common.tags
  // Basic has neither Kafka nor Capture.
  sku: { name: 'Standard', tier: 'Standard', capacity: stream.throughputUnits }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${writer.id}': {} } }
  properties: {
    kafkaEnabled: true
    minimumTlsVersion: '1.2'
    zoneRedundant: common.zoneRedundant
    disableLocalAuth: !producers.connectionString
    isAutoInflateEnabled: stream.maximumThroughputUnits > 0
    maximumThroughputUnits: stream.maximumThroughputUnits
    publicNetworkAccess: closed
  }
}

resource networkRules 'Microsoft.EventHub/namespaces/networkRuleSets@2026-01-01' = if (common.private) {
  parent: namespace
  name: 'default'
  properties: {
    defaultAction: 'Deny'
    publicNetworkAccess: closed
    trustedServiceAccessEnabled: true
    ipRules: [for address in producers.addresses: { action: 'Allow', ipMask: address }]
  }
}

// Event Hubs tries, when Capture is switched on, whether the namespace's identity may write and whether the deployer may.
// Both rights were given in `files`, but take minutes to be known everywhere.
@retryOn(['MessagingGatewayBadRequest', 'MessagingGatewayUnauthorized', 'MessagingGatewayForbidden'], 20)
resource eventHub 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: stream.eventHub
  properties: {
    partitionCount: stream.partitions
    retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: stream.retentionHours }
    captureDescription: {
      enabled: true
      encoding: 'Avro'
      intervalInSeconds: capture.intervalSeconds
      sizeLimitInBytes: capture.sizeLimitBytes
      skipEmptyArchives: true
      destination: {
        name: 'EventHubArchive.AzureBlockBlob'
        identity: { type: 'UserAssigned', userAssignedIdentity: writer.id }
        properties: {
          storageAccountResourceId: accountId
          blobContainer: containerName
          // The loader's default for its name format; a check holds the two together.
          archiveNameFormat: '{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}'
        }
      }
    }
  }
}

// Of the hub, not of the namespace, and nothing but Send.
resource sendRule 'Microsoft.EventHub/namespaces/eventhubs/authorizationRules@2026-01-01' = if (producers.connectionString) {
  parent: eventHub
  name: 'producers'
  properties: { rights: ['Send'] }
}

resource sendSecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = if (producers.connectionString) {
  name: '${vaultName}/producer-connection-string'
  properties: {
    contentType: 'Send-only connection string of the event hub'
    value: sendRule!.listKeys().primaryConnectionString
  }
}

resource producersSend 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in producers.principalIds: {
    name: guid(eventHub.id, principalId, role('Azure Event Hubs Data Sender'))
    scope: eventHub
    properties: rightOfSomebody(principalId, 'Azure Event Hubs Data Sender', 'sends events')
  }
]

resource demoSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (demo != null) {
  name: guid(eventHub.id, demo!.principalId, role('Azure Event Hubs Data Sender'))
  scope: eventHub
  properties: right(demo!.principalId, 'Azure Event Hubs Data Sender', 'sends the demonstration\'s events')
}

// Its own, for at most five may read a partition by one group.
resource readers 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2026-01-01' = if (reader != null) {
  parent: eventHub
  name: 'deltawave'
  properties: { userMetadata: 'the loader, which reads the newest events by it' }
}

resource loaderReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (reader != null) {
  name: guid(eventHub.id, reader!.principalId, role('Azure Event Hubs Data Receiver'))
  scope: eventHub
  properties: right(reader!.principalId, 'Azure Event Hubs Data Receiver', 'reads the newest events')
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: namespace
  properties: { workspaceId: common.workspaceId, ...everything }
}

output namespaceId string = namespace.id
output eventHubName string = eventHub.name
output kafkaBootstrap string = '${namespace.name}.servicebus.windows.net:9093'

@description('Short name of the namespace, as it stands in the files\' names.')
output namespaceName string = namespace.name
