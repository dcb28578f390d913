metadata description = 'Key Vault, the passwords in it, and who may read which. Resource Manager writes them; the vault\'s firewall is not in its way.'

import { Common, everything, Identity, Operator, right, rightOfSomebody, role } from 'types.bicep'

param common Common
param loader Identity
param guard Identity
param operator Operator

@minLength(3)
@maxLength(24)
param vaultName string

@description('What the passwords are made from, where there are none yet.')
@secure()
param seed string

@description('The guard opens a port for SQL, with a certificate from the vault.')
param front bool

var passwordsOf = ['root', 'loader', 'reader', 'metadata']

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: vaultName
  location: common.location
  tags: common.tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    // For getSecret(), by which the database and the container group get their passwords.
    enabledForTemplateDeployment: true
    enableSoftDelete: true
    // Cannot be changed later, so it is the same with and without `protect`.
    softDeleteRetentionInDays: 90
    // The service refuses `false`, and `true` cannot be taken back.
    enablePurgeProtection: common.protect ? true : null
    publicNetworkAccess: common.private && empty(operator.addresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      // A container group outside a VNet has no address that could be named here.
      defaultAction: common.private ? 'Deny' : 'Allow'
      ipRules: [for address in operator.addresses: { value: address }]
    }
  }
}

resource vaultLock 'Microsoft.Authorization/locks@2020-05-01' = if (common.protect) {
  name: 'secrets'
  scope: vault
  properties: {
    level: 'CanNotDelete'
    notes: 'Without these secrets nobody can connect to RisingWave.'
  }
}

// Made by the first deployment and left alone by all others, whose seeds are different.
@onlyIfNotExists()
resource passwords 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = [
  for who in passwordsOf: {
    parent: vault
    name: 'risingwave-${who}-password'
    properties: {
      contentType: 'password of ${who}'
      // Nothing that a URL would have to escape, as RisingWave builds URLs of passwords; PostgreSQL wants a capital.
      value: 'Dw9${replace(guid(seed, who), '-', '')}'
    }
  }
]

resource loaderReadsItsPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(passwords[1].id, loader.principalId, role('Key Vault Secrets User'))
  scope: passwords[1]
  properties: right(loader.principalId, 'Key Vault Secrets User', 'connects to RisingWave as loader')
}

resource guardReadsPasswords 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for i in range(0, 3): {
    name: guid(passwords[i].id, guard.principalId, role('Key Vault Secrets User'))
    scope: passwords[i]
    properties: right(guard.principalId, 'Key Vault Secrets User', 'sets the password of ${passwordsOf[i]}')
  }
]

resource guardReadsCertificate 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (front) {
  name: guid(vault.id, guard.principalId, role('Key Vault Secrets User'))
  scope: vault
  // On the vault, as the certificate comes after the deployment: there is nothing yet to give a right on.
  properties: right(guard.principalId, 'Key Vault Secrets User', 'reads the front\'s certificate')
}

resource operatorKeepsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for kind in ['Secrets', 'Certificates']: if (!empty(operator.principalId)) {
    name: guid(vault.id, operator.principalId, role('Key Vault ${kind} Officer'))
    scope: vault
    properties: rightOfSomebody(
      operator.principalId,
      'Key Vault ${kind} Officer',
      kind == 'Secrets' ? 'connects as root or reader, rotates' : 'makes or brings the front\'s certificate'
    )
  }
]

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: vault
  properties: { workspaceId: common.workspaceId, ...everything }
}

output vaultId string = vault.id
output vaultName string = vault.name
output vaultUrl string = vault.properties.vaultUri
