metadata name = 'Deltawave'
metadata description = 'Event Hubs with Capture, the Capture files, RisingWave with the loader and the guard, and all they need. Deploying it again with the same values changes nothing.'

targetScope = 'resourceGroup'

// ---- what it is called, and where it is

@description('Prefix of every name: lowercase letters and digits, beginning with a letter.')
@minLength(3)
@maxLength(10)
param name string = 'deltawave'

@description('Region of everything.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags object = {}

@description('Where RisingWave and the loader run: one container group (aci), or a cluster for deploy/aks (aks).')
@allowed([
  'aci'
  'aks'
])
param engine string = 'aci'

@description('Deltawave\'s image, for aci. Empty makes everything but the container group, so that the image can be pushed first.')
param image string = ''

@description('RisingWave\'s image, for aci.')
param risingwaveImage string = 'risingwavelabs/risingwave:v2.6.1'

// ---- secrets: the same ones each time. No defaults, which would be new passwords with each deployment.

@description('Password of RisingWave\'s superuser root. Letters, digits and -_.~ only: RisingWave builds URLs of passwords.')
@secure()
@minLength(24)
param rootPassword string

@description('Password of RisingWave\'s user loader.')
@secure()
@minLength(24)
param loaderPassword string

@description('Password of RisingWave\'s user reader.')
@secure()
@minLength(24)
param readerPassword string

@description('Password of the metadata database. It also needs a capital letter, a small one and a digit.')
@secure()
@minLength(24)
param metadataPassword string

@description('Certificate chain of the guard\'s TLS front, PEM. Without it no port for SQL is opened at all.')
@secure()
param tlsCertificate string = ''

@description('Its key, PEM.')
@secure()
param tlsKey string = ''

@description('HTTPS address that Event Grid tells of every new file; empty for none.')
@secure()
param newFilesWebhook string = ''

// ---- the stream

@description('Name of the event hub.')
@minLength(1)
@maxLength(256)
param eventHubName string = 'user-events'

@description('Table that the loader writes the hub\'s events to.')
param table string = 'user_event_log'

@description('Partitions of the event hub; cannot be changed later.')
@minValue(1)
@maxValue(32)
param partitionCount int = 4

@description('Hours that events stay in the hub itself; Capture\'s files stay longer.')
@minValue(1)
@maxValue(168)
param retentionHours int = 72

@description('Throughput units: each takes 1 MB or 1,000 events a second in.')
@minValue(1)
@maxValue(40)
param throughputUnits int = 1

@description('Throughput units the namespace may grow to by itself; 0 keeps it as it is.')
@minValue(0)
@maxValue(40)
param maximumThroughputUnits int = 0

@description('Seconds after which Capture closes a file: the freshness of everything downstream.')
@minValue(60)
@maxValue(900)
param captureIntervalSeconds int = 60

@description('Bytes at which Capture closes a file earlier.')
@minValue(10485760)
@maxValue(524288000)
param captureSizeLimitBytes int = 314572800

@description('Days after which a Capture file moves to the cool tier; 0 never.')
@minValue(0)
param captureCoolAfterDays int = 30

@description('Days after which a Capture file is deleted; 0 never. What is deleted cannot be loaded again.')
@minValue(0)
param captureDeleteAfterDays int = 0

@description('Make a Send-only connection string for producers outside Azure. Without it the namespace takes Entra tokens only.')
param producerConnectionString bool = true

@description('Object ids of identities that may send without a connection string.')
param producerPrincipalIds array = []

// ---- people

@description('Object id of who deploys and operates: reads the secrets, administers the cluster. Empty for nobody.')
param operatorPrincipalId string = ''

@description('Kind of that identity.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string = 'User'

@description('Addresses that get the alerts.')
param alertEmails array = []

// ---- network

@description('Give the container group a public address, for the guard\'s TLS front. Needs the certificate; not with private networking.')
param publicAccess bool = false

@description('Name before .REGION.azurecontainer.io for the public address; empty for none.')
param dnsLabel string = ''

@description('VNet, private endpoints, private DNS and a NAT gateway; the services close to the public.')
param privateNetworking bool = false

@description('Address space of the VNet, a /16.')
param addressPrefix string = '10.42.0.0/16'

@description('Address ranges or service tags that may reach the container group\'s ports in the VNet.')
param clientAddresses array = [
  'VirtualNetwork'
]

@description('Public addresses that may reach Event Hubs despite private networking.')
param producerAddresses array = []

@description('Public addresses that may reach the vault, the registry and the cluster\'s API: the operator\'s.')
param operatorAddresses array = []

// ---- sizes and options

@description('Make a container registry.')
param containerRegistry bool = false

@description('Copies in several zones: storage, database (not Burstable), registry, cluster. Cannot be changed later.')
param zoneRedundant bool = false

@description('Zone of the container group, which can be in one only; empty leaves it to Azure.')
@allowed([
  ''
  '1'
  '2'
  '3'
])
param zone string = ''

@description('Cores of RisingWave. Its free licence ends at 4.')
@minValue(1)
@maxValue(4)
param risingwaveCpu int = 2

@description('GiB of RisingWave. Its free licence ends at 16.')
@minValue(4)
@maxValue(16)
param risingwaveMemoryGib int = 8

@description('Cores of the loader.')
param loaderCpu string = '0.5'

@description('GiB of the loader.')
param loaderMemoryGib string = '1'

@description('Tier of the metadata database.')
@allowed([
  'Burstable'
  'GeneralPurpose'
  'MemoryOptimized'
])
param databaseTier string = 'Burstable'

@description('Size of the metadata database, of that tier.')
param databaseSku string = 'Standard_B1ms'

@description('GiB of the metadata database; it grows by itself.')
@minValue(32)
@maxValue(16384)
param databaseStorageGib int = 32

@description('RisingWave comes to its state with the account key. Without it by its identity, which works on aks only.')
param stateSharedKey bool = engine == 'aci'

@description('Size of the cluster\'s nodes.')
param clusterNodeSize string = 'Standard_D4s_v5'

@description('Nodes of the cluster at the least, and right after each deployment: it sets their number back to this, and the autoscaler goes on from there.')
@minValue(1)
@maxValue(100)
param clusterNodes int = 2

@description('Nodes of the cluster at the most.')
@minValue(1)
@maxValue(100)
param clusterMaximumNodes int = 5

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Minutes that captured events may wait for the loader before an alert.')
@minValue(5)
@maxValue(60)
param lagMinutes int = 20

@description('Events that Capture may be behind before an alert.')
@minValue(1)
param captureBacklogThreshold int = 10000

@description('Purge protection for the vault; locks against deletion of the files and the vault.')
param protect bool = false

// The same for the same resource group, different for others: these names are unique in all of Azure.
var suffix = uniqueString(resourceGroup().id, name)

var frontPort = 4566
var loaderHealthPort = 8080
var guardHealthPort = 8081

var onContainers = engine == 'aci'
var onCluster = engine == 'aks'
// On a cluster the account key is a choice; a container group cannot do without.
var sharedKey = stateSharedKey || onContainers
// The one condition on which a port for SQL comes to be.
var front = !empty(tlsCertificate) && !empty(tlsKey)

module identities 'modules/identities.bicep' = {
  name: 'identities'
  params: {
    name: name
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: name
    location: location
    tags: tags
    logRetentionDays: logRetentionDays
    alertEmails: alertEmails
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  params: {
    name: name
    location: location
    tags: tags
    addressPrefix: addressPrefix
    clientAddresses: clientAddresses
    clientPorts: [
      '${frontPort}'
      '${loaderHealthPort}'
      '${guardHealthPort}'
    ]
    workspaceId: monitoring.outputs.workspaceId
  }
}

module files 'modules/files.bicep' = {
  name: 'files'
  params: {
    accountName: take('${name}files${suffix}', 24)
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    privateNetworking: privateNetworking
    coolAfterDays: captureCoolAfterDays
    deleteAfterDays: captureDeleteAfterDays
    loaderPrincipalId: identities.outputs.loaderPrincipalId
    protect: protect
    workspaceId: monitoring.outputs.workspaceId
  }
}

module notifications 'modules/notifications.bicep' = {
  name: 'notifications'
  params: {
    topicName: '${name}-new-files'
    location: location
    tags: tags
    accountName: files.outputs.accountName
    containerName: files.outputs.containerName
    queueName: files.outputs.queueName
    webhook: newFilesWebhook
    notifyWebhook: !empty(newFilesWebhook)
    workspaceId: monitoring.outputs.workspaceId
  }
}

module hub 'modules/hub.bicep' = {
  name: 'hub'
  params: {
    namespaceName: '${name}-${suffix}'
    location: location
    tags: tags
    eventHubName: eventHubName
    partitionCount: partitionCount
    retentionHours: retentionHours
    throughputUnits: throughputUnits
    maximumThroughputUnits: maximumThroughputUnits
    captureIntervalSeconds: captureIntervalSeconds
    captureSizeLimitBytes: captureSizeLimitBytes
    accountName: files.outputs.accountName
    containerName: files.outputs.containerName
    captureIdentityId: identities.outputs.captureId
    capturePrincipalId: identities.outputs.capturePrincipalId
    producerPrincipalIds: producerPrincipalIds
    producerConnectionString: producerConnectionString
    privateNetworking: privateNetworking
    producerAddresses: producerAddresses
    zoneRedundant: zoneRedundant
    workspaceId: monitoring.outputs.workspaceId
  }
}

module state 'modules/state.bicep' = {
  name: 'state'
  params: {
    accountName: take('${name}state${suffix}', 24)
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    privateNetworking: privateNetworking
    sharedKey: sharedKey
    risingwavePrincipalId: identities.outputs.risingwavePrincipalId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module database 'modules/database.bicep' = {
  name: 'database'
  params: {
    serverName: '${name}-${suffix}'
    location: location
    tags: tags
    tier: databaseTier
    sku: databaseSku
    storageGib: databaseStorageGib
    zoneRedundant: zoneRedundant
    privateNetworking: privateNetworking
    administratorPassword: metadataPassword
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    vaultName: '${name}-${suffix}'
    location: location
    tags: tags
    rootPassword: rootPassword
    loaderPassword: loaderPassword
    readerPassword: readerPassword
    metadataPassword: metadataPassword
    stateAccountName: state.outputs.accountName
    stateSharedKey: sharedKey
    namespaceName: hub.outputs.namespaceName
    eventHubName: hub.outputs.eventHubName
    producersRuleName: hub.outputs.producersRuleName
    loaderPrincipalId: identities.outputs.loaderPrincipalId
    guardPrincipalId: identities.outputs.guardPrincipalId
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    privateNetworking: privateNetworking
    operatorAddresses: operatorAddresses
    protect: protect
    workspaceId: monitoring.outputs.workspaceId
  }
}

module registry 'modules/registry.bicep' = if (containerRegistry) {
  name: 'registry'
  params: {
    registryName: '${name}${suffix}'
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    privateNetworking: privateNetworking
    operatorAddresses: operatorAddresses
    pullPrincipalId: identities.outputs.pullPrincipalId
    workspaceId: monitoring.outputs.workspaceId
  }
}

// ---- the services' addresses in the VNet

module filesBlobEndpoint 'modules/endpoint.bicep' = if (privateNetworking) {
  name: 'files-blob-endpoint'
  params: {
    name: '${name}-files-blob'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: files.outputs.accountId
    groupId: 'blob'
    zoneId: network!.outputs.blobZoneId
  }
}

module filesQueueEndpoint 'modules/endpoint.bicep' = if (privateNetworking) {
  name: 'files-queue-endpoint'
  params: {
    name: '${name}-files-queue'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: files.outputs.accountId
    groupId: 'queue'
    zoneId: network!.outputs.queueZoneId
  }
}

module stateEndpoint 'modules/endpoint.bicep' = if (privateNetworking) {
  name: 'state-endpoint'
  params: {
    name: '${name}-state-blob'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: state.outputs.accountId
    groupId: 'blob'
    zoneId: network!.outputs.blobZoneId
  }
}

module hubEndpoint 'modules/endpoint.bicep' = if (privateNetworking) {
  name: 'hub-endpoint'
  params: {
    name: '${name}-event-hubs'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: hub.outputs.namespaceId
    groupId: 'namespace'
    zoneId: network!.outputs.eventHubsZoneId
  }
}

module vaultEndpoint 'modules/endpoint.bicep' = if (privateNetworking) {
  name: 'vault-endpoint'
  params: {
    name: '${name}-vault'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: vault.outputs.vaultId
    groupId: 'vault'
    zoneId: network!.outputs.vaultZoneId
  }
}

module databaseEndpoint 'modules/endpoint.bicep' = if (privateNetworking) {
  name: 'database-endpoint'
  params: {
    name: '${name}-database'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: database.outputs.serverId
    groupId: 'postgresqlServer'
    zoneId: network!.outputs.databaseZoneId
  }
}

module registryEndpoint 'modules/endpoint.bicep' = if (privateNetworking && containerRegistry) {
  name: 'registry-endpoint'
  params: {
    name: '${name}-registry'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointsSubnetId
    serviceId: registry!.outputs.registryId
    groupId: 'registry'
    zoneId: network!.outputs.registryZoneId
  }
}

// ---- where it runs

module group 'modules/group.bicep' = if (onContainers && !empty(image)) {
  name: 'group'
  params: {
    groupName: name
    location: location
    tags: tags
    image: image
    risingwaveImage: risingwaveImage
    registryServer: containerRegistry ? registry!.outputs.loginServer : ''
    pullIdentityId: identities.outputs.pullId
    loaderIdentityId: identities.outputs.loaderId
    loaderClientId: identities.outputs.loaderClientId
    guardIdentityId: identities.outputs.guardId
    guardClientId: identities.outputs.guardClientId
    vaultUrl: vault.outputs.vaultUrl
    containerUrl: files.outputs.containerUrl
    queueUrl: files.outputs.queueUrl
    namespaceName: hub.outputs.namespaceName
    eventHubName: hub.outputs.eventHubName
    table: table
    stateAccountName: state.outputs.accountName
    stateEndpoint: state.outputs.endpoint
    stateContainer: state.outputs.containerName
    databaseHost: database.outputs.host
    databaseName: database.outputs.databaseName
    databaseUser: database.outputs.user
    metadataPassword: metadataPassword
    tlsCertificate: tlsCertificate
    tlsKey: tlsKey
    front: front
    publicAddress: publicAccess
    dnsLabel: dnsLabel
    subnetId: privateNetworking ? network!.outputs.containersSubnetId : ''
    zone: zone
    risingwaveCpu: risingwaveCpu
    risingwaveMemoryGib: risingwaveMemoryGib
    loaderCpu: loaderCpu
    loaderMemoryGib: loaderMemoryGib
    frontPort: frontPort
    loaderHealthPort: loaderHealthPort
    guardHealthPort: guardHealthPort
    workspaceId: monitoring.outputs.workspaceId
  }
  // In a VNet the containers find the services only by these addresses.
  dependsOn: [
    filesBlobEndpoint
    filesQueueEndpoint
    stateEndpoint
    vaultEndpoint
    databaseEndpoint
  ]
}

module cluster 'modules/cluster.bicep' = if (onCluster) {
  name: 'cluster'
  params: {
    clusterName: '${name}-aks'
    location: location
    tags: tags
    nodeSize: clusterNodeSize
    nodes: clusterNodes
    maximumNodes: clusterMaximumNodes
    zoneRedundant: zoneRedundant
    privateNetworking: privateNetworking
    vnetName: privateNetworking ? network!.outputs.vnetName : ''
    operatorAddresses: operatorAddresses
    clusterIdentityId: identities.outputs.clusterId
    clusterPrincipalId: identities.outputs.clusterPrincipalId
    loaderIdentityName: identities.outputs.loaderName
    guardIdentityName: identities.outputs.guardName
    risingwaveIdentityName: identities.outputs.risingwaveName
    registryName: containerRegistry ? registry!.outputs.registryName : ''
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    workspaceId: monitoring.outputs.workspaceId
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    name: name
    location: location
    tags: tags
    engine: engine
    namespaceId: hub.outputs.namespaceId
    namespaceName: hub.outputs.namespaceName
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: monitoring.outputs.actionGroupId
    captureBacklogThreshold: captureBacklogThreshold
    lagMinutes: lagMinutes
  }
}

@description('Name of the vault.')
output keyVaultName string = vault.outputs.vaultName

@description('Address of the vault.')
output keyVaultUrl string = vault.outputs.vaultUrl

@description('Short name of the Event Hubs namespace.')
output eventHubNamespace string = hub.outputs.namespaceName

@description('Name of the event hub.')
output eventHubName string = hub.outputs.eventHubName

@description('Address for Kafka clients.')
output kafkaBootstrap string = hub.outputs.kafkaBootstrap

@description('Name of the Capture files\' storage account.')
output captureAccountName string = files.outputs.accountName

@description('Address of the Capture files\' container.')
output captureContainerUrl string = files.outputs.containerUrl

@description('Address of the queue of notifications.')
output notificationsUrl string = files.outputs.queueUrl

@description('Event Grid system topic of the Capture files, for further subscriptions.')
output newFilesTopicName string = notifications.outputs.topicName

@description('Name of the storage account of RisingWave\'s state.')
output stateAccountName string = state.outputs.accountName

@description('Blob endpoint of that account.')
output stateEndpoint string = state.outputs.endpoint

@description('Container of the state.')
output stateContainer string = state.outputs.containerName

@description('Host of the metadata database.')
output databaseHost string = database.outputs.host

@description('Name of the metadata database.')
output databaseName string = database.outputs.databaseName

@description('User of the metadata database.')
output databaseUser string = database.outputs.user

@description('Client id of the loader\'s identity.')
output loaderClientId string = identities.outputs.loaderClientId

@description('Client id of the guard\'s identity.')
output guardClientId string = identities.outputs.guardClientId

@description('Client id of RisingWave\'s identity.')
output risingwaveClientId string = identities.outputs.risingwaveClientId

@description('Name of the container registry; empty without one.')
output registryName string = containerRegistry ? registry!.outputs.registryName : ''

@description('Host name of the container registry; empty without one.')
output registryLoginServer string = containerRegistry ? registry!.outputs.loginServer : ''

@description('Name of the container group; empty without one.')
output containerGroupName string = onContainers && !empty(image) ? group!.outputs.groupName : ''

@description('Where the guard\'s TLS front is; empty without one.')
output frontAddress string = onContainers && !empty(image) ? group!.outputs.frontAddress : ''

@description('Port of the guard\'s TLS front; 0 without one.')
output frontPort int = onContainers && !empty(image) && front ? frontPort : 0

@description('Name of the cluster; empty without one.')
output clusterName string = onCluster ? cluster!.outputs.clusterName : ''

@description('Name of the Log Analytics workspace.')
output workspaceName string = monitoring.outputs.workspaceName
