metadata description = 'What main.bicep and the modules share: types of parameters with their defaults, roles, what is logged.'

// ---- what is handed from module to module

@export()
type Tags = { *: string }

@export()
@description('What every module is told.')
type Common = {
  name: string
  location: string
  tags: Tags
  zoneRedundant: bool
  private: bool
  protect: bool
  workspaceId: string
}

@export()
@description('A user-assigned identity.')
type Identity = { id: string, name: string, principalId: string, clientId: string }

@export()
@description('RisingWave\'s container for its state.')
type State = { accountName: string, endpoint: string, container: string }

@export()
@description('The database of RisingWave\'s metadata.')
type Metadata = { host: string, name: string, user: string }

// ---- groups of parameters; in main.bicep each property may be left out

@export()
type Stream = {
  @description('Name of the event hub.')
  @minLength(1)
  @maxLength(256)
  eventHub: string
  @description('Table that the loader writes the hub\'s events to.')
  table: string
  @description('Partitions of the event hub; cannot be changed later.')
  @minValue(1)
  @maxValue(32)
  partitions: int
  @description('Hours that events stay in the hub itself; Capture\'s files stay longer.')
  @minValue(1)
  @maxValue(168)
  retentionHours: int
  @description('Each takes 1 MB or 1,000 events a second in.')
  @minValue(1)
  @maxValue(40)
  throughputUnits: int
  @description('Throughput units the namespace may grow to by itself; 0 keeps it as it is.')
  @minValue(0)
  @maxValue(40)
  maximumThroughputUnits: int
}

@export()
type Capture = {
  @description('Seconds after which Capture closes a file: the freshness of everything downstream.')
  @minValue(60)
  @maxValue(900)
  intervalSeconds: int
  @description('Bytes at which it closes a file earlier.')
  @minValue(10485760)
  @maxValue(524288000)
  sizeLimitBytes: int
  @description('Days after which a file moves to the cool tier; 0 never.')
  @minValue(0)
  coolAfterDays: int
  @description('Days after which a file is deleted; 0 never. What is deleted cannot be loaded again.')
  @minValue(0)
  deleteAfterDays: int
}

@export()
type Producers = {
  @description('Make a Send-only connection string. Without it the namespace takes Entra tokens only.')
  connectionString: bool
  @description('Object ids of identities that may send without it.')
  principalIds: string[]
  @description('Public addresses that may reach Event Hubs despite a private network.')
  addresses: string[]
}

@export()
type Operator = {
  @description('Object id of who keeps the secrets and administers the cluster; empty for nobody.')
  principalId: string
  @description('Public addresses that may reach the vault, the registry and the cluster\'s API despite a private network.')
  addresses: string[]
}

@export()
type Network = {
  @description('VNet, private endpoints, private DNS and a NAT gateway; the services close to the public. Cannot be changed later.')
  private: bool
  @description('Address space of the VNet, a /16.')
  addressPrefix: string
  @description('Address ranges or service tags that may reach the container group\'s ports in the VNet.')
  clientAddresses: string[]
}

@export()
type Risingwave = {
  @description('Cores. The free licence ends at 4, of all nodes together.')
  @minValue(1)
  @maxValue(4)
  cpu: int
  @description('GiB. The free licence of 2.8 and newer ends at about 20, of all nodes together; one group has at most 16.')
  @minValue(4)
  @maxValue(16)
  memoryGib: int
}

@export()
type Loader = {
  @description('Cores, such as 0.5.')
  cpu: string
  @description('GiB, such as 1.5.')
  memoryGib: string
}

@export()
type Database = {
  @description('Tier of the server; a standby in another zone needs one that is not Burstable.')
  tier: 'Burstable' | 'GeneralPurpose' | 'MemoryOptimized'
  @description('Size of the server, of that tier.')
  sku: string
  @description('GiB; may be raised, never lowered.')
  @minValue(32)
  @maxValue(16384)
  storageGib: int
}

@export()
type Cluster = {
  @description('Size of the nodes.')
  nodeSize: string
  @description('Nodes at the least, and right after each deployment: it sets their number back to this.')
  @minValue(1)
  @maxValue(100)
  nodes: int
  @description('Nodes that the autoscaler may go up to.')
  @minValue(1)
  @maxValue(100)
  maximumNodes: int
}

@export()
type Alerts = {
  @description('Addresses that get them.')
  emails: string[]
  @description('Minutes that captured events may wait for the loader.')
  @minValue(5)
  @maxValue(60)
  lagMinutes: int
  @description('Events that Capture may be behind.')
  @minValue(1)
  captureBacklog: int
}

@export()
var defaults = {
  stream: {
    eventHub: 'user-events'
    table: 'user_event_log'
    partitions: 4
    retentionHours: 72
    throughputUnits: 1
    maximumThroughputUnits: 0
  }
  capture: { intervalSeconds: 60, sizeLimitBytes: 314572800, coolAfterDays: 30, deleteAfterDays: 0 }
  producers: { connectionString: true, principalIds: [], addresses: [] }
  operator: { addresses: [] }
  network: { private: false, addressPrefix: '10.42.0.0/16', clientAddresses: ['VirtualNetwork'] }
  risingwave: { cpu: 2, memoryGib: 8 }
  loader: { cpu: '0.5', memoryGib: '1' }
  database: { tier: 'Burstable', sku: 'Standard_B1ms', storageGib: 32 }
  cluster: { nodeSize: 'Standard_D4s_v5', nodes: 2, maximumNodes: 5 }
  alerts: { emails: [], lagMinutes: 20, captureBacklog: 10000 }
}

// ---- rights

@export()
@description('Built-in roles. infra/check reads their names here.')
var roles = {
  'Azure Event Hubs Data Sender': '2b629674-e913-4c01-ae53-ef4638d8f975'
  'Azure Event Hubs Data Receiver': 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Queue Data Message Processor': '8a0f0c08-91a1-4084-bc3d-661d67233fed'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  'Key Vault Certificates Officer': 'a4417e6f-fecd-4de8-b567-7b0420556985'
  AcrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  'Network Contributor': '4d97b98b-1d4f-4787-a291-c67834d212e7'
  'Azure Kubernetes Service RBAC Cluster Admin': 'b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b'
}

@export()
@description('Resource id of a role of that list.')
func role(name string) string => subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[name])

type Right = { principalId: string, principalType: 'ServicePrincipal'?, roleDefinitionId: string, description: string }

@export()
@description('Gives an identity a role. Its type is said, as one that was made a moment ago may not be in the directory yet.')
func right(who string, name string, why string) Right => {
  principalId: who
  principalType: 'ServicePrincipal'
  roleDefinitionId: role(name)
  description: why
}

@export()
@description('The same for somebody who may be a user, a group or a service.')
func rightOfSomebody(who string, name string, why string) Right => { principalId: who, roleDefinitionId: role(name), description: why }

// ---- what is logged

@export()
@description('All that a service has to say.')
var everything = {
  logs: [{ categoryGroup: 'allLogs', enabled: true }]
  metrics: [{ category: 'AllMetrics', enabled: true }]
}

@export()
@description('How much was read and written, without a line for each time.')
var transactions = { metrics: [{ category: 'Transaction', enabled: true }] }
