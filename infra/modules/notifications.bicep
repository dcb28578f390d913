metadata description = 'Event Grid tells of each new Capture file: the loader by a storage queue, others by a webhook or by subscriptions of their own to the topic.'

@description('Name of the system topic.')
param topicName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Capture files\' storage account.')
param accountName string

@description('Name of the Capture files\' container.')
param containerName string

@description('Name of the queue that the loader reads.')
param queueName string

@description('HTTPS address told of every new file, with its secret; empty for none.')
@secure()
param webhook string

@description('Tell the webhook.')
param notifyWebhook bool

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var queueDataMessageSender = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')

var newFiles = {
  includedEventTypes: [
    'Microsoft.Storage.BlobCreated'
  ]
  subjectBeginsWith: '/blobServices/default/containers/${containerName}/'
  subjectEndsWith: '.avro'
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource notificationsQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  parent: queues
  name: queueName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource topicTellsLoader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(notificationsQueue.id, topic.id, queueDataMessageSender)
  scope: notificationsQueue
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: queueDataMessageSender
    description: 'tells the loader of new files'
  }
}

resource loaderSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'loader'
  properties: {
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: account.id
          queueName: queueName
        }
      }
    }
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: newFiles
    retryPolicy: {
      eventTimeToLiveInMinutes: 1440
      maxDeliveryAttempts: 30
    }
  }
  // Event Grid tries the delivery when the subscription is made.
  dependsOn: [
    topicTellsLoader
  ]
}

resource webhookSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (notifyWebhook) {
  parent: topic
  name: 'webhook'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: webhook
        minimumTlsVersionAllowed: '1.2'
      }
    }
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: newFiles
    retryPolicy: {
      eventTimeToLiveInMinutes: 1440
      maxDeliveryAttempts: 30
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: topic
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

@description('Name of the system topic, for further subscriptions.')
output topicName string = topic.name
