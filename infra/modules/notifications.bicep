metadata description = 'Event Grid tells of each new Capture file: the loader by a storage queue, others by a webhook, a Function, or subscriptions of their own to the topic.'

import { Common, everything, right, role } from 'types.bicep'

param common Common
param accountName string
param containerName string
param queueName string
param functionId string

@secure()
param webhook string

var delivery = {
  eventDeliverySchema: 'CloudEventSchemaV1_0'
  filter: {
    includedEventTypes: ['Microsoft.Storage.BlobCreated']
    subjectBeginsWith: '/blobServices/default/containers/${containerName}/'
    subjectEndsWith: '.avro'
  }
  retryPolicy: { eventTimeToLiveInMinutes: 1440, maxDeliveryAttempts: 30 }
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource notifications 'queues' existing = {
      name: queueName
    }
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: '${common.name}-new-files'
  location: common.location
  tags: common.tags
  identity: { type: 'SystemAssigned' }
  properties: { source: account.id, topicType: 'Microsoft.Storage.StorageAccounts' }
}

resource topicTellsLoader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::queues::notifications.id, topic.id, role('Storage Queue Data Message Sender'))
  scope: account::queues::notifications
  properties: right(topic.identity.principalId, 'Storage Queue Data Message Sender', 'tells the loader of new files')
}

resource loaderSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'loader'
  properties: {
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: { endpointType: 'StorageQueue', properties: { resourceId: account.id, queueName: queueName } }
    }
    ...delivery
  }
  // Event Grid tries the delivery when the subscription is made.
  dependsOn: [topicTellsLoader]
}

resource webhookSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (!empty(webhook)) {
  parent: topic
  name: 'webhook'
  properties: {
    destination: { endpointType: 'WebHook', properties: { endpointUrl: webhook, minimumTlsVersionAllowed: '1.2' } }
    ...delivery
  }
}

resource functionSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (!empty(functionId)) {
  parent: topic
  name: 'function'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: { resourceId: functionId }
    }
    ...delivery
  }
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: topic
  properties: { workspaceId: common.workspaceId, ...everything }
}

output topicName string = topic.name
