metadata description = 'RisingWave\'s state. An account of its own, so that only this one needs a key.'

import { Common, Identity, right, role, State, transactions } from 'types.bicep'

param common Common
param vaultName string

@minLength(3)
@maxLength(24)
param accountName string

@description('RisingWave comes with the account key. On container instances its blob client cannot use an identity.')
param sharedKey bool

@description('RisingWave\'s identity, which comes instead of the key.')
param risingwave Identity?

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: common.location
  tags: common.tags
  kind: 'StorageV2'
  sku: { name: common.zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: sharedKey
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: common.private ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      // A container group outside a VNet has no address that could be named here.
      defaultAction: common.private ? 'Deny' : 'Allow'
    }
  }
}

// No soft delete: compaction writes and deletes all the time, and everything can be rebuilt from the Capture files.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'risingwave'
  properties: { publicAccess: 'None' }
}

resource key 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = if (sharedKey) {
  name: '${vaultName}/risingwave-state-key'
  properties: {
    contentType: 'key of the state\'s storage account'
    value: account.listKeys().keys[0].value
  }
}

resource risingwaveKeepsState 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (risingwave != null) {
  name: guid(container.id, risingwave!.principalId, role('Storage Blob Data Contributor'))
  scope: container
  properties: right(risingwave!.principalId, 'Storage Blob Data Contributor', 'keeps its state')
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: blobs
  properties: { workspaceId: common.workspaceId, ...transactions }
}

output accountId string = account.id

@description('The container; its endpoint is without a slash at the end.')
output state State = {
  accountName: account.name
  endpoint: 'https://${account.name}.blob.${environment().suffixes.storage}'
  container: container.name
}
