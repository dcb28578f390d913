metadata description = 'PostgreSQL for RisingWave\'s metadata, so that a container group that is moved or made anew finds its tables again.'

import { Common, Database, everything, Metadata } from 'types.bicep'

param common Common
param database Database

@minLength(3)
@maxLength(63)
param serverName string

@secure()
param administratorPassword string

var administrator = 'risingwave'

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: serverName
  location: common.location
  tags: common.tags
  sku: { name: database.sku, tier: database.tier }
  properties: {
    version: '16'
    administratorLogin: administrator
    administratorLoginPassword: administratorPassword
    authConfig: {
      // RisingWave knows passwords only.
      passwordAuth: 'Enabled'
      activeDirectoryAuth: 'Disabled'
    }
    storage: {
      storageSizeGB: database.storageGib
      // A server that had grown by itself could not be deployed again with the size given here, which would be smaller.
      // Metadata is small; an alert tells when it is not.
      autoGrow: 'Disabled'
    }
    backup: { backupRetentionDays: 14, geoRedundantBackup: 'Disabled' }
    highAvailability: { mode: common.zoneRedundant && database.tier != 'Burstable' ? 'ZoneRedundant' : 'Disabled' }
    network: { publicNetworkAccess: common.private ? 'Disabled' : 'Enabled' }
  }
}

resource metadata 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2025-08-01' = {
  parent: server
  name: 'risingwave'
  properties: { charset: 'UTF8', collation: 'en_US.utf8' }
}

// Azure's own default, written down: without TLS nobody comes in.
resource requireTls 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = {
  parent: server
  name: 'require_secure_transport'
  properties: { source: 'user-override', value: 'on' }
  // One change at a time, or the server says it is busy.
  dependsOn: [metadata]
}

// A container group outside a VNet has no address of its own to name. This lets in every address inside Azure,
// of other customers too: what keeps them out is the password. Private networking closes it.
resource azureOnly 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!common.private) {
  parent: server
  name: 'azure-services'
  properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
  dependsOn: [requireTls]
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: server
  properties: { workspaceId: common.workspaceId, ...everything }
}

output serverId string = server.id
output metadata Metadata = {
  host: server.properties.fullyQualifiedDomainName
  name: metadata.name
  user: administrator
}
