metadata description = 'Key Vault: every secret in one place, and who may read which. Secrets are written by Resource Manager, which the vault\'s firewall does not concern.'

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param vaultName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Password of RisingWave\'s superuser root.')
@secure()
param rootPassword string

@description('Password of RisingWave\'s user loader.')
@secure()
param loaderPassword string

@description('Password of RisingWave\'s user reader.')
@secure()
param readerPassword string

@description('Password of the metadata database.')
@secure()
param metadataPassword string

@description('Name of the storage account of RisingWave\'s state.')
param stateAccountName string

@description('RisingWave comes to its state with the account key, which is then kept here.')
param stateSharedKey bool

@description('Name of the Event Hubs namespace.')
param namespaceName string

@description('Name of the event hub.')
param eventHubName string

@description('Name of the Send-only rule whose connection string is kept here; empty for none.')
param producersRuleName string

@description('Object id of the loader\'s identity.')
param loaderPrincipalId string

@description('Object id of the guard\'s identity.')
param guardPrincipalId string

@description('Object id of who deploys and operates; empty for nobody.')
param operatorPrincipalId string

@description('Kind of that identity.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string

@description('Let in only private endpoints and the addresses named.')
param privateNetworking bool

@description('Public addresses let in despite private networking.')
param operatorAddresses array

@description('Nobody can purge the vault or delete it.')
param protect bool

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var secretsUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')

var publicNetworkAccess = privateNetworking && empty(operatorAddresses) ? 'Disabled' : 'Enabled'

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: protect ? 90 : 7
    // The service refuses `false`, and `true` cannot be taken back.
    enablePurgeProtection: protect ? true : null
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      // A container group outside a VNet has no address that could be named here.
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
      ipRules: [for address in operatorAddresses: {
        value: address
      }]
    }
  }
}

resource vaultLock 'Microsoft.Authorization/locks@2020-05-01' = if (protect) {
  name: 'secrets'
  scope: vault
  properties: {
    level: 'CanNotDelete'
    notes: 'Without these secrets nobody can connect to RisingWave.'
  }
}

resource stateAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: stateAccountName
}

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' existing = {
  name: namespaceName
}

resource eventHub 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' existing = {
  parent: namespace
  name: eventHubName
}

resource producers 'Microsoft.EventHub/namespaces/eventhubs/authorizationRules@2026-01-01' existing = {
  parent: eventHub
  name: empty(producersRuleName) ? 'none' : producersRuleName
}

resource rootPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'risingwave-root-password'
  properties: {
    contentType: 'password of the superuser root'
    value: rootPassword
  }
}

resource loaderPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'risingwave-loader-password'
  properties: {
    contentType: 'password of the user loader'
    value: loaderPassword
  }
}

resource readerPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'risingwave-reader-password'
  properties: {
    contentType: 'password of the user reader'
    value: readerPassword
  }
}

resource metadataPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'risingwave-metadata-password'
  properties: {
    contentType: 'password of the metadata database'
    value: metadataPassword
  }
}

resource stateKeySecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = if (stateSharedKey) {
  parent: vault
  name: 'risingwave-state-key'
  properties: {
    contentType: 'key of the state\'s storage account'
    value: stateAccount.listKeys().keys[0].value
  }
}

resource producerSecret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = if (!empty(producersRuleName)) {
  parent: vault
  name: 'producer-connection-string'
  properties: {
    contentType: 'Send-only connection string of the event hub'
    value: empty(producersRuleName) ? '' : producers.listKeys().primaryConnectionString
  }
}

resource loaderReadsItsPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(loaderPasswordSecret.id, loaderPrincipalId, secretsUser)
  scope: loaderPasswordSecret
  properties: {
    principalId: loaderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: secretsUser
    description: 'connects to RisingWave as loader'
  }
}

resource guardReadsRootPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(rootPasswordSecret.id, guardPrincipalId, secretsUser)
  scope: rootPasswordSecret
  properties: {
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: secretsUser
    description: 'sets root\'s password, says RECOVER'
  }
}

resource guardReadsLoaderPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(loaderPasswordSecret.id, guardPrincipalId, secretsUser)
  scope: loaderPasswordSecret
  properties: {
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: secretsUser
    description: 'makes the user loader'
  }
}

resource guardReadsReaderPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(readerPasswordSecret.id, guardPrincipalId, secretsUser)
  scope: readerPasswordSecret
  properties: {
    principalId: guardPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: secretsUser
    description: 'makes the user reader'
  }
}

resource operatorReadsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, secretsUser)
  scope: vault
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: secretsUser
    description: 'deploys again with the same passwords, connects as root or reader'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: vault
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

@description('Resource id of the vault.')
output vaultId string = vault.id

@description('Name of the vault.')
output vaultName string = vault.name

@description('Address of the vault.')
output vaultUrl string = vault.properties.vaultUri
