metadata description = 'Private networking: a VNet whose container subnet lets in nothing but what is named, outgoing traffic by one NAT address, the services\' private endpoints, and private DNS for them.'

import { Common, everything, Network } from 'types.bicep'

param common Common
param network Network

@description('Ports of the container group that clients may reach.')
param clientPorts string[]

@description('The services that get a private endpoint: resource id, and which part of it.')
param services { name: string, id: string, part: 'blob' | 'queue' | 'namespace' | 'vault' | 'postgresqlServer' | 'registry' }[]

var octets = split(network.addressPrefix, '.')
var prefix = '${octets[0]}.${octets[1]}'

var zoneOf = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  namespace: 'privatelink.servicebus.windows.net'
  vault: 'privatelink.vaultcore.azure.net'
  postgresqlServer: 'privatelink.postgres.database.azure.com'
  registry: 'privatelink${environment().suffixes.acrLoginServer}'
}

resource containersSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${common.name}-containers'
  location: common.location
  tags: common.tags
  properties: {
    securityRules: concat(
      map(network.clientAddresses, (client, i) => {
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
      }),
      [
        // Without this Azure's own rule lets the whole VNet reach every port that a process listens on,
        // RisingWave's dashboard among them.
        {
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
      ]
    )
  }
}

// Azure's own rules, for endpoints and cluster: the VNet and the load balancer may come in, the internet may not. A list
// of ports here would shut out what a service opens beside its main one.
resource insideSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${common.name}-inside'
  location: common.location
  tags: common.tags
  properties: {}
}

#disable-next-line use-recent-api-versions // there is no newer one
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: containersSecurity
  properties: { workspaceId: common.workspaceId, logs: everything.logs }
}

resource outgoingAddress 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: '${common.name}-outgoing'
  location: common.location
  tags: common.tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource nat 'Microsoft.Network/natGateways@2025-05-01' = {
  name: '${common.name}-nat'
  location: common.location
  tags: common.tags
  sku: { name: 'Standard' }
  properties: { idleTimeoutInMinutes: 10, publicIpAddresses: [{ id: outgoingAddress.id }] }
}

// The subnets stand inside the VNet: as resources of their own they would be taken away and made anew by each deployment.
resource vnet 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: '${common.name}-vnet'
  location: common.location
  tags: common.tags
  properties: {
    addressSpace: { addressPrefixes: [network.addressPrefix] }
    subnets: [
      {
        name: 'containers'
        properties: {
          addressPrefix: '${prefix}.0.0/24'
          networkSecurityGroup: { id: containersSecurity.id }
          natGateway: { id: nat.id }
          delegations: [{ name: 'containers', properties: { serviceName: 'Microsoft.ContainerInstance/containerGroups' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '${prefix}.1.0/24'
          networkSecurityGroup: { id: insideSecurity.id }
          // The security group holds for private endpoints only so.
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
      {
        name: 'cluster'
        properties: {
          addressPrefix: '${prefix}.16.0/20'
          networkSecurityGroup: { id: insideSecurity.id }
          natGateway: { id: nat.id }
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for part in items(zoneOf): { name: part.value, location: 'global', tags: common.tags }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (part, i) in items(zoneOf): {
    parent: zones[i]
    name: '${common.name}-vnet'
    location: 'global'
    tags: common.tags
    properties: { registrationEnabled: false, virtualNetwork: { id: vnet.id } }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for service in services: {
    name: '${common.name}-${service.name}'
    location: common.location
    tags: common.tags
    properties: {
      subnet: { id: '${vnet.id}/subnets/endpoints' }
      privateLinkServiceConnections: [
        { name: service.name, properties: { privateLinkServiceId: service.id, groupIds: [service.part] } }
      ]
    }
  }
]

resource addresses 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (service, i) in services: {
    parent: endpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: service.part
          properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zoneOf[service.part]) }
        }
      ]
    }
    dependsOn: [zones]
  }
]

output containersSubnetId string = '${vnet.id}/subnets/containers'
output vnetName string = vnet.name
