metadata description = 'The durable log: the account of the Capture files, the queue that tells of new ones, and who may do what with both.'

import { Capture, Common, Identity, right, rightOfSomebody, role, transactions } from 'types.bicep'

param common Common
param capture Capture
param loader Identity
param deployerPrincipalId string

@description('Whether there is a container for Delta tables.')
param lake bool

@minLength(3)
@maxLength(24)
param accountName string

@description('The identity that Capture writes with.')
param writer Identity

var tiering = capture.coolAfterDays > 0 ? { tierToCool: { daysAfterModificationGreaterThan: capture.coolAfterDays } } : {}
var deletion = capture.deleteAfterDays > 0 ? { delete: { daysAfterModificationGreaterThan: capture.deleteAfterDays } } : {}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: common.location
  tags: common.tags
  kind: 'StorageV2'
  // Capture writes to no premium account.
  sku: { name: common.zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS' }
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
      defaultAction: common.private ? 'Deny' : 'Allow'
    }
  }
}

resource accountLock 'Microsoft.Authorization/locks@2020-05-01' = if (common.protect) {
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
  properties: { deleteRetentionPolicy: { enabled: true, days: 14 }, containerDeleteRetentionPolicy: { enabled: true, days: 14 } }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'capture'
  properties: { publicAccess: 'None' }
}

resource tables 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = if (lake) {
  parent: blobs
  name: 'lake'
  properties: { publicAccess: 'None' }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (capture.coolAfterDays > 0 || capture.deleteAfterDays > 0) {
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
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${container.name}/'] }
            actions: { baseBlob: union(tiering, deletion) }
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

resource notifications 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'capture-files'
}

// Where the loader puts messages that make no sense.
resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: '${notifications.name}-poison'
}

// On the account, as Microsoft's instructions have it; nothing but the Capture files, and what is made of them, is in its
// blobs.
resource captureWritesFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, writer.principalId, role('Storage Blob Data Contributor'))
  scope: account
  properties: right(writer.principalId, 'Storage Blob Data Contributor', 'writes the Capture files')
}

// Event Hubs lets nobody point Capture at an account that they may not write to themselves.
resource deployerMayWriteFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, deployerPrincipalId, role('Storage Blob Data Contributor'))
  scope: account
  properties: rightOfSomebody(deployerPrincipalId, 'Storage Blob Data Contributor', 'may switch Capture on')
}

resource loaderReadsFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, loader.principalId, role('Storage Blob Data Reader'))
  scope: container
  properties: right(loader.principalId, 'Storage Blob Data Reader', 'lists and reads the Capture files')
}

// There, and nowhere else.
resource loaderWritesTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (lake) {
  name: guid(tables.id, loader.principalId, role('Storage Blob Data Contributor'))
  scope: tables
  properties: right(loader.principalId, 'Storage Blob Data Contributor', 'writes the Delta tables')
}

resource loaderTakesNotifications 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(notifications.id, loader.principalId, role('Storage Queue Data Message Processor'))
  scope: notifications
  properties: right(loader.principalId, 'Storage Queue Data Message Processor', 'receives and deletes notifications')
}

resource loaderSetsAside 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(poison.id, loader.principalId, role('Storage Queue Data Message Sender'))
  scope: poison
  properties: right(loader.principalId, 'Storage Queue Data Message Sender', 'sets malformed notifications aside')
}

// Writes and deletions only: the loader lists every few seconds, and each reading would be a line.
#disable-next-line use-recent-api-versions // there is no newer one
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: blobs
  properties: {
    workspaceId: common.workspaceId
    logs: [{ category: 'StorageWrite', enabled: true }, { category: 'StorageDelete', enabled: true }]
    ...transactions
  }
}

#disable-next-line use-recent-api-versions // there is no newer one
resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: queues
  properties: { workspaceId: common.workspaceId, ...transactions }
}

output accountId string = account.id
output accountName string = account.name
output containerName string = container.name
output containerUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}/${container.name}'
output lakeUrl string = lake ? 'https://${account.name}.blob.${environment().suffixes.storage}/lake' : ''
output queueName string = notifications.name
output queueUrl string = 'https://${account.name}.queue.${environment().suffixes.storage}/${notifications.name}'
