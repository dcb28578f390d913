metadata description = 'PostgreSQL for RisingWave\'s metadata, so that a container group that is moved or made anew finds its tables again.'

@description('Name of the server.')
@minLength(3)
@maxLength(63)
param serverName string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Tier of the server\'s size.')
@allowed([
  'Burstable'
  'GeneralPurpose'
  'MemoryOptimized'
])
param tier string

@description('Size of the server.')
param sku string

@description('GiB of storage; grows by itself.')
@minValue(32)
@maxValue(16384)
param storageGib int

@description('A standby in another zone; not with the tier Burstable.')
param zoneRedundant bool

@description('Let in only private endpoints.')
param privateNetworking bool

@description('Password of the administrator.')
@secure()
@minLength(24)
param administratorPassword string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var administrator = 'risingwave'

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: serverName
  location: location
  tags: tags
  sku: {
    name: sku
    tier: tier
  }
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
      storageSizeGB: storageGib
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 14
      geoRedundantBackup: 'Disabled'
    }
    highAvailability: {
      mode: zoneRedundant && tier != 'Burstable' ? 'ZoneRedundant' : 'Disabled'
    }
    network: {
      publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    }
  }
}

resource database 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2025-08-01' = {
  parent: server
  name: 'risingwave'
  properties: {
    charset: 'UTF8'
    collation: 'en_US.utf8'
  }
}

// Azure's own default, written down: without TLS nobody comes in.
resource requireTls 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = {
  parent: server
  name: 'require_secure_transport'
  properties: {
    source: 'user-override'
    value: 'on'
  }
  // One change at a time, or the server says it is busy.
  dependsOn: [
    database
  ]
}

// A container group outside a VNet has no address of its own to name. This lets in every address inside Azure,
// of other customers too: what keeps them out is the password. Private networking closes it.
resource azureOnly 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!privateNetworking) {
  parent: server
  name: 'azure-services'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
  dependsOn: [
    requireTls
  ]
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: server
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

@description('Resource id of the server.')
output serverId string = server.id

@description('Host name of the server.')
output host string = server.properties.fullyQualifiedDomainName

@description('Name of the database.')
output databaseName string = database.name

@description('User of the database.')
output user string = administrator
