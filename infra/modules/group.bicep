metadata description = 'The container group: RisingWave, the loader beside it, and the guard in front of it.'

//   people ──TLS──▶ guard 4566 ──▶ 127.0.0.1:4567 RisingWave ──▶ Blob (state), PostgreSQL (metadata)
//                                         ▲
//                        loader ──────────┘
//
// RisingWave's SQL port is on loopback only, whatever the parameters: it starts without a password for root.
// The guard sets the passwords, and only then opens its own port, which takes TLS and nothing else.

import { Common, everything, Identity, Loader, Metadata, Risingwave, State } from 'types.bicep'

param common Common
param image string
param risingwaveImage string
param risingwave Risingwave
param loader Loader
param pipeline { vaultUrl: string, containerUrl: string, queueUrl: string, namespace: string, eventHub: string, table: string }
param state State
param metadata Metadata

@description('The registry that images are pulled from by an identity; null for none.')
param registry { server: string, pull: Identity }?

@description('The identities of the programs; the producer\'s only for a demonstration.')
param identities { loader: Identity, guard: Identity, producer: Identity? }

@secure()
param stateKey string

@secure()
param metadataPassword string

@description('The programs send traces to Application Insights.')
param traced bool

@description('Its connection string.')
@secure()
param traces string

@description('Ports: the guard\'s front, which is there only if `open`, and those for health, which only the VNet sees.')
param ports { open: bool, front: int, loaderHealth: int, guardHealth: int }

@description('Public name of the front before the region\'s domain; null for a private address or none.')
param dnsLabel string?

@description('Resource id of the VNet\'s subnet; null for none.')
param subnetId string?

@description('Whether the loader reads the newest events from the hub.')
param live bool

@description('Address of the container for Delta tables; empty for none.')
param lakeUrl string

// RisingWave's SQL port, inside the group only.
var sqlPort = 4567

var inVnet = subnetId != null
var guardPorts = concat(ports.open ? [ports.front] : [], inVnet ? [ports.guardHealth] : [])
var loaderPorts = inVnet ? [ports.loaderHealth] : []

// What every program of ours is told, and then each of them.
var ours = concat(
  [{ name: 'DELTAWAVE_CREDENTIAL', value: 'managed-identity' }, { name: 'DELTAWAVE_LOG', value: 'json' }],
  !traced ? [] : [{ name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', secureValue: traces }]
)
var guardVariables = concat(
  ours,
  [
    { name: 'DELTAWAVE_CLIENT_ID', value: identities.guard.clientId }
    { name: 'DELTAWAVE_KEY_VAULT_URL', value: pipeline.vaultUrl }
    { name: 'DELTAWAVE_STORE_URL', value: 'postgresql://root@127.0.0.1:${sqlPort}/dev?sslmode=disable' }
    { name: 'DELTAWAVE_ROOT_PASSWORD', value: 'keyvault:risingwave-root-password' }
    { name: 'DELTAWAVE_LOADER_PASSWORD', value: 'keyvault:risingwave-loader-password' }
    { name: 'DELTAWAVE_READER_PASSWORD', value: 'keyvault:risingwave-reader-password' }
    { name: 'DELTAWAVE_HTTP', value: '0.0.0.0:${ports.guardHealth}' }
  ],
  ports.open
    ? [
        { name: 'DELTAWAVE_LISTEN', value: '0.0.0.0:${ports.front}' }
        // Made or brought after the deployment; until it is there the guard opens nothing.
        { name: 'DELTAWAVE_TLS_CERTIFICATE', value: 'keyvault:sql' }
      ]
    : []
)
// The same history beside the store's.
var toLake = empty(lakeUrl) ? '' : ',${pipeline.eventHub}=delta:${lakeUrl}/${pipeline.table}'
var loaderVariables = concat(
  ours,
  live
    ? [
        { name: 'DELTAWAVE_LIVE', value: 'true' }
        { name: 'DELTAWAVE_LIVE_GROUP', value: 'deltawave' }
        { name: 'DELTAWAVE_EVENT_HUB', value: '${pipeline.namespace}/${pipeline.eventHub}' }
      ]
    : [],
  [
    { name: 'DELTAWAVE_CLIENT_ID', value: identities.loader.clientId }
    { name: 'DELTAWAVE_KEY_VAULT_URL', value: pipeline.vaultUrl }
    { name: 'DELTAWAVE_BLOB', value: pipeline.containerUrl }
    { name: 'DELTAWAVE_NOTIFICATIONS', value: pipeline.queueUrl }
    { name: 'DELTAWAVE_NAMESPACE', value: pipeline.namespace }
    { name: 'DELTAWAVE_ROUTE', value: '${pipeline.eventHub}=${pipeline.table}${toLake}' }
    { name: 'DELTAWAVE_STORE_URL', value: 'postgresql://loader@127.0.0.1:${sqlPort}/dev?sslmode=disable' }
    { name: 'DELTAWAVE_STORE_PASSWORD', value: 'keyvault:risingwave-loader-password' }
    { name: 'DELTAWAVE_HTTP', value: '0.0.0.0:${ports.loaderHealth}' }
    // The page shows rows to whoever reaches the port; with a token (docs/security.md) it may be shown.
    { name: 'DELTAWAVE_NO_PAGE', value: 'true' }
  ]
)
var producerVariables = concat(ours, [
  { name: 'DELTAWAVE_CLIENT_ID', value: identities.?producer.?clientId }
  { name: 'DELTAWAVE_EVENT_HUB', value: '${pipeline.namespace}/${pipeline.eventHub}' }
])
var risingwaveVariables = concat(
  [
    { name: 'RW_STATE_STORE', value: 'hummock+azblob://${state.container}' }
    { name: 'RW_DATA_DIRECTORY', value: 'hummock_001' }
    { name: 'AZBLOB_ENDPOINT', value: state.endpoint }
    { name: 'AZBLOB_ACCOUNT_NAME', value: state.accountName }
    { name: 'RW_BACKEND', value: 'postgres' }
    { name: 'RW_SQL_ENDPOINT', value: '${metadata.host}:5432' }
    { name: 'RW_SQL_USERNAME', value: metadata.user }
    { name: 'RW_SQL_DATABASE', value: metadata.name }
    // Without it the database's certificate would not be looked at.
    { name: 'RW_SQL_URL_PARAMS', value: 'sslmode=verify-full' }
  ],
  // With less than 8 GiB RisingWave's compactor refuses to start unless its cache is set.
  risingwave.memoryGib < 8 ? [{ name: 'RW_COMPACTOR_META_CACHE_MEMORY_BYTES', value: '67108864' }] : []
)

func open(ports int[]) object[] => map(ports, port => { port: port, protocol: 'TCP' })

// Alive, not ready: a program in trouble goes on trying.
func alive(port int) object => {
  httpGet: { path: '/healthz', port: port, scheme: 'http' }
  initialDelaySeconds: 10
  periodSeconds: 15
  failureThreshold: 4
}

var producer = {
  name: 'producer'
  properties: {
    image: image
    command: ['producer']
    environmentVariables: producerVariables
    resources: { requests: { cpu: json('0.25'), memoryInGB: json('0.5') } }
  }
}

// The image may have been built a moment ago, and the right to pull it given just before.
@retryOn(['InaccessibleImage', 'RegistryErrorResponse'], 10)
resource group 'Microsoft.ContainerInstance/containerGroups@2025-09-01' = {
  name: common.name
  location: common.location
  tags: common.tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identities.loader.id}': {}
      '${identities.guard.id}': {}
      ...(registry == null ? {} : { '${registry!.pull.id}': {} })
      ...(identities.?producer == null ? {} : { '${identities.?producer.?id ?? ''}': {} })
    }
  }
  properties: {
    osType: 'Linux'
    sku: 'Standard'
    // Each container is started again whenever it ends, however it ends.
    restartPolicy: 'Always'
    imageRegistryCredentials: registry == null ? null : [{ server: registry!.server, identity: registry!.pull.id }]
    // What the group's address lets through. Nothing else that a process listens on can be reached by a public address;
    // in a VNet the subnet's security group sees to that.
    ipAddress: inVnet
      ? { type: 'Private', ports: open(concat(guardPorts, loaderPorts)) }
      : !ports.open
          ? null
          : {
              type: 'Public'
              ports: open(guardPorts)
              dnsNameLabel: dnsLabel
              // LABEL.REGION.azurecontainer.io, known before the group is there, so that a certificate can be made for it.
              autoGeneratedDomainNameLabelScope: 'Unsecure'
            }
    subnetIds: inVnet ? [{ id: subnetId! }] : null
    // A group does not take over the VNet's DNS; this address answers for private zones too.
    dnsConfig: inVnet ? { nameServers: ['168.63.129.16'] } : null
    containers: concat(
      [
        {
          name: 'risingwave'
          properties: {
            image: risingwaveImage
            command: [
              '/risingwave/bin/risingwave'
              'single_node'
              '--listen-addr'
              '127.0.0.1:${sqlPort}'
              '--total-memory-bytes'
              '${risingwave.memoryGib * 1073741824}'
              '--parallelism'
              '${risingwave.cpu}'
            ]
            environmentVariables: concat(risingwaveVariables, [
              { name: 'AZBLOB_ACCOUNT_KEY', secureValue: stateKey }
              { name: 'RW_SQL_PASSWORD', secureValue: metadataPassword }
            ])
            resources: { requests: { cpu: risingwave.cpu, memoryInGB: risingwave.memoryGib } }
            livenessProbe: {
              exec: { command: ['bash', '-c', '> /dev/tcp/127.0.0.1/${sqlPort}'] }
              // A first start makes the metadata tables.
              initialDelaySeconds: 120
              periodSeconds: 15
              timeoutSeconds: 5
              failureThreshold: 8
            }
          }
        }
        {
          name: 'guard'
          properties: {
            image: image
            command: ['deltawave', 'guard']
            ports: open(guardPorts)
            environmentVariables: guardVariables
            resources: { requests: { cpu: json('0.25'), memoryInGB: json('0.5') } }
            livenessProbe: alive(ports.guardHealth)
            // Nothing is sent to the group's address before the passwords are set.
            readinessProbe: {
              httpGet: { path: '/readyz', port: ports.guardHealth, scheme: 'http' }
              periodSeconds: 10
              failureThreshold: 3
            }
          }
        }
        {
          name: 'loader'
          properties: {
            image: image
            command: ['loader']
            ports: open(loaderPorts)
            environmentVariables: loaderVariables
            resources: { requests: { cpu: json(loader.cpu), memoryInGB: json(loader.memoryGib) } }
            // No readiness probe: it would take the group's address from people who only want to read. Alerts watch it.
            livenessProbe: alive(ports.loaderHealth)
          }
        }
      ],
      identities.?producer == null ? [] : [producer]
    )
  }
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: group
  properties: {
    workspaceId: common.workspaceId
    logs: [{ category: 'ContainerInstanceLog', enabled: true }, { category: 'ContainerEvent', enabled: true }]
    metrics: everything.metrics
  }
}

output groupName string = group.name

@description('Where the guard\'s front is: a name or an address; empty without a front.')
output frontAddress string = !ports.open ? '' : inVnet ? group.properties.ipAddress.ip : group.properties.ipAddress.fqdn
