metadata description = 'Private networking: a VNet whose container subnet lets in nothing but what is named, outgoing traffic by one NAT address, and private DNS for the services.'

@description('Prefix of every name.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Address space of the VNet, a /16.')
param addressPrefix string

@description('Address ranges or service tags that may reach the ports of the container group.')
param clientAddresses array

@description('Ports of the container group that they may reach.')
param clientPorts array

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

var octets = split(addressPrefix, '.')
var prefix = '${octets[0]}.${octets[1]}'

var zoneNames = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.servicebus.windows.net'
  'privatelink.vaultcore.azure.net'
  'privatelink.postgres.database.azure.com'
  'privatelink${environment().suffixes.acrLoginServer}'
]

var clientRules = [for (client, i) in clientAddresses: {
  name: 'clients-${i}'
  properties: {
    priority: 100 + i
    direction: 'Inbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: client
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRanges: clientPorts
  }
}]

// Without this Azure's own rule lets the whole VNet reach every port that a process listens on,
// RisingWave's dashboard among them.
var denyRest = {
  name: 'nothing-else'
  properties: {
    priority: 4096
    direction: 'Inbound'
    access: 'Deny'
    protocol: '*'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '*'
  }
}

resource containersSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-containers'
  location: location
  tags: tags
  properties: {
    securityRules: concat(clientRules, [denyRest])
  }
}

resource endpointsSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-endpoints'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'services'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'VirtualNetwork'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          // HTTPS, AMQP, PostgreSQL, Kafka
          destinationPortRanges: [
            '443'
            '5671'
            '5432'
            '9093'
          ]
        }
      }
      denyRest
    ]
  }
}

// Azure's own rules: the VNet and the load balancer may come in, the internet may not.
resource clusterSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-cluster'
  location: location
  tags: tags
  properties: {}
}

resource containersDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: containersSecurity
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

resource outgoingAddress 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: '${name}-outgoing'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource nat 'Microsoft.Network/natGateways@2025-05-01' = {
  name: '${name}-nat'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 10
    publicIpAddresses: [
      {
        id: outgoingAddress.id
      }
    ]
  }
}

// The subnets stand inside the VNet: as resources of their own they would be taken away and made anew by each deployment.
resource vnet 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: '${name}-vnet'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'containers'
        properties: {
          addressPrefix: '${prefix}.0.0/24'
          networkSecurityGroup: {
            id: containersSecurity.id
          }
          natGateway: {
            id: nat.id
          }
          delegations: [
            {
              name: 'containers'
              properties: {
                serviceName: 'Microsoft.ContainerInstance/containerGroups'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '${prefix}.1.0/24'
          networkSecurityGroup: {
            id: endpointsSecurity.id
          }
          // The security group holds for private endpoints only so.
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
      {
        name: 'cluster'
        properties: {
          addressPrefix: '${prefix}.16.0/20'
          networkSecurityGroup: {
            id: clusterSecurity.id
          }
          natGateway: {
            id: nat.id
          }
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zoneNames: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zoneNames: {
  parent: zones[i]
  name: '${name}-vnet'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: vnet.id
    }
  }
}]

@description('Resource id of the subnet for the container group.')
output containersSubnetId string = '${vnet.id}/subnets/containers'

@description('Resource id of the subnet for private endpoints.')
output endpointsSubnetId string = '${vnet.id}/subnets/endpoints'

@description('Name of the VNet.')
output vnetName string = vnet.name

@description('Private DNS zone of blobs.')
output blobZoneId string = zones[0].id

@description('Private DNS zone of queues.')
output queueZoneId string = zones[1].id

@description('Private DNS zone of Event Hubs.')
output eventHubsZoneId string = zones[2].id

@description('Private DNS zone of vaults.')
output vaultZoneId string = zones[3].id

@description('Private DNS zone of PostgreSQL.')
output databaseZoneId string = zones[4].id

@description('Private DNS zone of container registries.')
output registryZoneId string = zones[5].id
