metadata name = 'Deltawave'
metadata description = 'Event Hubs with Capture, the Capture files, RisingWave with the loader and the guard, and all they need. Deploying it again with the same values changes nothing.'

import * as types from 'modules/types.bicep'

targetScope = 'resourceGroup'

// ---- what runs

@description('Deltawave\'s image, if it is published somewhere. This or `source` must be given.')
param image string = ''

@description('Deltawave\'s source, a Git address such as https://github.com/YOU/deltawave.git#main, which Azure builds the image from.')
param source string = ''

@description('Any new word builds `source` again, when its branch has moved on.')
param rebuild string = ''

@description('Without it everything is made but what runs the image, which then can be pushed into the registry.')
param run bool = true

@description('RisingWave\'s image, for aci.')
param risingwaveImage string = 'ghcr.io/risingwavelabs/risingwave:v3.0.3'

@description('Add a producer of invented events as a container.')
param demo bool = false

@description('Where RisingWave and the loader run: one container group (aci), or a cluster for deploy/aks (aks).')
param engine ('aci' | 'aks') = 'aci'

@description('Rows are there within a second: the loader also reads the newest events from the hub, over AMQP (5671).')
param live bool = false

@description('A container `lake` beside the Capture files, for the history as a Delta table: the loader writes it too, once `deltawave table --delta` has made it.')
param lake bool = false

// ---- what it is called, and where it is

@description('Prefix of every name: lowercase letters and digits, beginning with a letter.')
@minLength(3)
@maxLength(10)
param name string = 'deltawave'

@description('Region of everything.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags types.Tags = {}

// ---- the stream

@description('The event hub and its table.')
@sealed()
param stream {
  eventHub: types.Stream.eventHub?
  table: types.Stream.table?
  partitions: types.Stream.partitions?
  retentionHours: types.Stream.retentionHours?
  throughputUnits: types.Stream.throughputUnits?
  maximumThroughputUnits: types.Stream.maximumThroughputUnits?
} = {}

@description('Event Hubs Capture and its files.')
@sealed()
param capture {
  intervalSeconds: types.Capture.intervalSeconds?
  sizeLimitBytes: types.Capture.sizeLimitBytes?
  coolAfterDays: types.Capture.coolAfterDays?
  deleteAfterDays: types.Capture.deleteAfterDays?
} = {}

@description('Who may send.')
@sealed()
param producers {
  connectionString: types.Producers.connectionString?
  principalIds: types.Producers.principalIds?
  addresses: types.Producers.addresses?
} = {}

@description('HTTPS address that Event Grid tells of every new file, with its secret; empty for none.')
@secure()
param newFilesWebhook string = ''

@description('Resource id of an Azure Function that Event Grid tells of every new file; empty for none.')
param newFilesFunctionId string = ''

// ---- people

@description('Who operates it: who deploys, unless another is given.')
@sealed()
param operator { principalId: types.Operator.principalId?, addresses: types.Operator.addresses? } = {}

@description('Opens the SQL port to the internet, by TLS only, as LABEL.REGION.azurecontainer.io. Not with a private network.')
@minLength(5)
@maxLength(63)
param dnsLabel string?

@description('A private network.')
@sealed()
param network {
  private: types.Network.private?
  addressPrefix: types.Network.addressPrefix?
  clientAddresses: types.Network.clientAddresses?
} = {}

@description('When to alert, and whom.')
@sealed()
param alerts { emails: types.Alerts.emails?, lagMinutes: types.Alerts.lagMinutes?, captureBacklog: types.Alerts.captureBacklog? } = {}

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Make an Application Insights component, to which the programs send traces.')
param applicationInsights bool = false

// ---- sizes and options

@description('Size of RisingWave, for aci.')
@sealed()
param risingwave { cpu: types.Risingwave.cpu?, memoryGib: types.Risingwave.memoryGib? } = {}

@description('Size of the loader, for aci.')
@sealed()
param loader { cpu: types.Loader.cpu?, memoryGib: types.Loader.memoryGib? } = {}

@description('Size of the metadata database.')
@sealed()
param database { tier: types.Database.tier?, sku: types.Database.sku?, storageGib: types.Database.storageGib? } = {}

@description('Size of the cluster, for aks.')
@sealed()
param cluster { nodeSize: types.Cluster.nodeSize?, nodes: types.Cluster.nodes?, maximumNodes: types.Cluster.maximumNodes? } = {}

@description('Make a container registry; `source` needs one.')
param containerRegistry bool = !empty(source)

@description('Copies in several zones: storage, database (not Burstable), registry, cluster. Cannot be changed later.')
param zoneRedundant bool = false

@description('RisingWave comes to its state with the account key. Without it by its identity, which works on aks only.')
param stateSharedKey bool = engine == 'aci'

@description('Purge protection for the vault; locks against deletion of the files and the vault.')
param protect bool = false

@description('Leave this alone: what the first deployment makes the passwords from.')
@secure()
param seed string = newGuid()

var onCluster = engine == 'aks'
var networkOf = union(types.defaults.network, network)
var private bool = networkOf.private
var operatorOf = union(types.defaults.operator, { principalId: deployer().objectId }, operator)
var streamOf = union(types.defaults.stream, stream)
var captureOf = union(types.defaults.capture, capture)
var alertsOf = union(types.defaults.alerts, alerts)
// On a cluster the account key is a choice; a container group cannot do without.
var sharedKey = stateSharedKey || !onCluster
// The one condition on which a port for SQL comes to be; the guard opens it once there is a certificate.
var front = !onCluster && (private || dnsLabel != null)
var ports = { open: front, front: 4566, loaderHealth: 8080, guardHealth: 8081 }

// What would fail after half an hour, or not at all as it should, is said before anything is made.
var mistake = run && !onCluster && empty(image) && empty(source)
  ? 'Give image=…, an image that is published, or source=…, a Git address such as https://github.com/YOU/deltawave.git#main that Azure builds it from'
  : !empty(image) && !empty(source)
      ? 'Give image=… or source=…, not both'
      : !empty(source) && !containerRegistry
          ? 'source=… needs a registry to build in: leave containerRegistry out'
          : !empty(source) && private
              ? 'With a private network Azure cannot build the image, as its builders are not let into the registry: give image=… (docs/deploy.md, In a VNet)'
              : dnsLabel != null && private
                  ? 'dnsLabel=… is for a public address, which a private network has not: leave one of them out'
                  : demo && onCluster ? 'demo=true adds a container to the group, which aks has not: leave one of them out' : ''

var prefix = empty(mistake) ? name : fail(mistake)
// The same for the same resource group, different for others: these names are unique in all of Azure.
var suffix = uniqueString(resourceGroup().id, name)
var vaultName = '${prefix}-${suffix}'

var common types.Common = {
  name: prefix
  location: location
  tags: tags
  zoneRedundant: zoneRedundant
  private: private
  protect: protect
  workspaceId: monitoring.outputs.workspaceId
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    name: prefix
    location: location
    tags: tags
    logRetentionDays: logRetentionDays
    applicationInsights: applicationInsights
    emails: alertsOf.emails
  }
}

// ---- identities, one for each set of rights

module captureIdentity 'modules/identity.bicep' = {
  params: { name: '${prefix}-capture', location: location, tags: tags }
}

module loaderIdentity 'modules/identity.bicep' = {
  params: { name: '${prefix}-loader', location: location, tags: tags }
}

module guardIdentity 'modules/identity.bicep' = {
  params: { name: '${prefix}-guard', location: location, tags: tags }
}

// Pulls images for the container group.
module pullIdentity 'modules/identity.bicep' = if (containerRegistry && !onCluster) {
  params: { name: '${prefix}-pull', location: location, tags: tags }
}

module producerIdentity 'modules/identity.bicep' = if (demo) {
  params: { name: '${prefix}-producer', location: location, tags: tags }
}

module risingwaveIdentity 'modules/identity.bicep' = if (onCluster) {
  params: { name: '${prefix}-risingwave', location: location, tags: tags }
}

// The cluster's control plane.
module clusterIdentity 'modules/identity.bicep' = if (onCluster) {
  params: { name: '${prefix}-cluster', location: location, tags: tags }
}

// ---- what keeps something

module vault 'modules/vault.bicep' = {
  params: {
    common: common
    vaultName: vaultName
    seed: seed
    loader: loaderIdentity.outputs.identity
    guard: guardIdentity.outputs.identity
    front: front
    operator: operatorOf
  }
}

// The same vault, for getSecret(): whoever deploys, what is in the vault is what is handed on.
resource secrets 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

module files 'modules/files.bicep' = {
  params: {
    common: common
    accountName: take('${prefix}files${suffix}', 24)
    capture: captureOf
    writer: captureIdentity.outputs.identity
    loader: loaderIdentity.outputs.identity
    lake: lake
    deployerPrincipalId: deployer().objectId
  }
}

module notifications 'modules/notifications.bicep' = {
  params: {
    common: common
    accountName: files.outputs.accountName
    containerName: files.outputs.containerName
    queueName: files.outputs.queueName
    webhook: newFilesWebhook
    functionId: newFilesFunctionId
  }
}

module state 'modules/state.bicep' = {
  params: {
    common: common
    accountName: take('${prefix}state${suffix}', 24)
    sharedKey: sharedKey
    risingwave: sharedKey ? null : risingwaveIdentity!.outputs.identity
    vaultName: vault.outputs.vaultName
  }
}

module metadata 'modules/database.bicep' = {
  params: {
    common: common
    serverName: '${prefix}-${suffix}'
    database: union(types.defaults.database, database)
    administratorPassword: secrets.getSecret('risingwave-metadata-password')
  }
  dependsOn: [vault]
}

module registry 'modules/registry.bicep' = if (containerRegistry) {
  params: {
    common: common
    registryName: '${prefix}${suffix}'
    operator: operatorOf
    pull: onCluster ? null : pullIdentity!.outputs.identity
    source: source
    rebuild: rebuild
  }
}

module hub 'modules/hub.bicep' = {
  params: {
    common: common
    namespaceName: '${prefix}-${suffix}'
    stream: streamOf
    capture: captureOf
    accountId: files.outputs.accountId
    containerName: files.outputs.containerName
    writer: captureIdentity.outputs.identity
    producers: union(types.defaults.producers, producers)
    demo: demo ? producerIdentity!.outputs.identity : null
    reader: live ? loaderIdentity.outputs.identity : null
    vaultName: vault.outputs.vaultName
  }
  // The slowest of all: by the time it is there, the rights that Capture needs have been given for minutes.
  dependsOn: [metadata]
}

module privateNetwork 'modules/network.bicep' = if (private) {
  params: {
    common: common
    network: networkOf
    clientPorts: ['${ports.front}', '${ports.loaderHealth}', '${ports.guardHealth}']
    services: concat(
      [
        { name: 'files-blob', id: files.outputs.accountId, part: 'blob' }
        { name: 'files-queue', id: files.outputs.accountId, part: 'queue' }
        { name: 'state-blob', id: state.outputs.accountId, part: 'blob' }
        { name: 'event-hubs', id: hub.outputs.namespaceId, part: 'namespace' }
        { name: 'vault', id: vault.outputs.vaultId, part: 'vault' }
        { name: 'database', id: metadata.outputs.serverId, part: 'postgresqlServer' }
      ],
      containerRegistry ? [{ name: 'registry', id: registry!.outputs.registryId, part: 'registry' }] : []
    )
  }
}

// ---- where it runs

module group 'modules/group.bicep' = if (!onCluster && run) {
  params: {
    common: common
    image: empty(image) ? registry!.outputs.image : image
    registry: containerRegistry ? { server: registry!.outputs.loginServer, pull: pullIdentity!.outputs.identity } : null
    risingwaveImage: risingwaveImage
    risingwave: union(types.defaults.risingwave, risingwave)
    loader: union(types.defaults.loader, loader)
    identities: {
      loader: loaderIdentity.outputs.identity
      guard: guardIdentity.outputs.identity
      producer: demo ? producerIdentity!.outputs.identity : null
    }
    pipeline: {
      vaultUrl: vault.outputs.vaultUrl
      containerUrl: files.outputs.containerUrl
      queueUrl: files.outputs.queueUrl
      namespace: hub.outputs.namespaceName
      eventHub: hub.outputs.eventHubName
      table: streamOf.table
    }
    state: state.outputs.state
    stateKey: secrets.getSecret('risingwave-state-key')
    metadata: metadata.outputs.metadata
    metadataPassword: secrets.getSecret('risingwave-metadata-password')
    live: live
    lakeUrl: files.outputs.lakeUrl
    traced: applicationInsights
    traces: monitoring.outputs.traces
    ports: ports
    dnsLabel: dnsLabel
    // After the private endpoints: in a VNet the containers find the services by them only.
    subnetId: private ? privateNetwork!.outputs.containersSubnetId : null
  }
}

module aks 'modules/cluster.bicep' = if (onCluster) {
  params: {
    common: common
    size: union(types.defaults.cluster, cluster)
    vnetName: private ? privateNetwork!.outputs.vnetName : null
    operator: operatorOf
    controlPlane: clusterIdentity!.outputs.identity
    accounts: [
      { account: 'loader', identity: loaderIdentity.outputs.identity.name }
      { account: 'guard', identity: guardIdentity.outputs.identity.name }
      { account: 'risingwave', identity: risingwaveIdentity!.outputs.identity.name }
    ]
    registryName: containerRegistry ? registry!.outputs.registryName : null
  }
}

module watch 'modules/alerts.bicep' = {
  params: {
    common: common
    alerts: alertsOf
    engine: engine
    namespaceId: hub.outputs.namespaceId
    serverId: metadata.outputs.serverId
    captureAccountName: files.outputs.accountName
    actionGroupId: monitoring.outputs.actionGroupId
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
@description('Whether the loader reads the newest events from the hub.')
output live bool = live
@description('Address for Kafka clients.')
output kafkaBootstrap string = hub.outputs.kafkaBootstrap
@description('Name of the Capture files\' storage account.')
output captureAccountName string = files.outputs.accountName
@description('Address of the Capture files\' container: the loader\'s `--blob`.')
output captureContainerUrl string = files.outputs.containerUrl
@description('Address of the lake\'s container; empty without one.')
output lakeContainerUrl string = files.outputs.lakeUrl
@description('Address of the queue of notifications: the loader\'s `--notifications`.')
output notificationsUrl string = files.outputs.queueUrl
@description('Event Grid system topic of the Capture files, for further subscriptions.')
output newFilesTopicName string = notifications.outputs.topicName
@description('Name of the storage account of RisingWave\'s state.')
output stateAccountName string = state.outputs.state.accountName
@description('Blob endpoint of that account.')
output stateEndpoint string = state.outputs.state.endpoint
@description('Container of the state.')
output stateContainer string = state.outputs.state.container
@description('Host of the metadata database.')
output databaseHost string = metadata.outputs.metadata.host
@description('Name of the metadata database.')
output databaseName string = metadata.outputs.metadata.name
@description('User of the metadata database.')
output databaseUser string = metadata.outputs.metadata.user
@description('Client id of the loader\'s identity.')
output loaderClientId string = loaderIdentity.outputs.identity.clientId
@description('Client id of the guard\'s identity.')
output guardClientId string = guardIdentity.outputs.identity.clientId
@description('Client id of RisingWave\'s identity; empty unless aks.')
output risingwaveClientId string = onCluster ? risingwaveIdentity!.outputs.identity.clientId : ''
@description('Name of the container registry; empty without one.')
output registryName string = containerRegistry ? registry!.outputs.registryName : ''
@description('Host name of the container registry; empty without one.')
output registryLoginServer string = containerRegistry ? registry!.outputs.loginServer : ''
@description('Deltawave\'s image, given or built; empty without either.')
output image string = !empty(image) ? image : containerRegistry ? registry!.outputs.image : ''
@description('Name of the container group; empty without one.')
output containerGroupName string = !onCluster && run ? group!.outputs.groupName : ''
@description('Where the guard\'s TLS front is; empty without one.')
output frontAddress string = !onCluster && run ? group!.outputs.frontAddress : ''
@description('Port of the guard\'s TLS front; 0 without one.')
output frontPort int = front && run ? ports.front : 0
@description('Name of the cluster; empty without one. Namespace deltawave, service accounts loader, guard, risingwave.')
output clusterName string = onCluster ? aks!.outputs.clusterName : ''
@description('Name of the Application Insights component; empty without one.')
output applicationInsightsName string = monitoring.outputs.applicationInsightsName
@description('Name of the Log Analytics workspace.')
output workspaceName string = monitoring.outputs.workspaceName
