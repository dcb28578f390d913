metadata description = 'User-assigned identities, one for each set of rights. What each may do stands beside the resource it may do it to.'

@description('Prefix of every name.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

resource capture 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-capture'
  location: location
  tags: tags
}

resource loader 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-loader'
  location: location
  tags: tags
}

resource guard 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-guard'
  location: location
  tags: tags
}

// RisingWave's own: without rights on container instances, whose RisingWave uses an account key.
resource risingwave 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-risingwave'
  location: location
  tags: tags
}

// Pulls images for the container group.
resource pull 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-pull'
  location: location
  tags: tags
}

// The cluster's control plane.
resource cluster 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-cluster'
  location: location
  tags: tags
}

@description('Resource id of the identity that Capture writes with.')
output captureId string = capture.id

@description('Object id of the identity that Capture writes with.')
output capturePrincipalId string = capture.properties.principalId

@description('Name of the loader\'s identity.')
output loaderName string = loader.name

@description('Resource id of the loader\'s identity.')
output loaderId string = loader.id

@description('Object id of the loader\'s identity.')
output loaderPrincipalId string = loader.properties.principalId

@description('Client id of the loader\'s identity.')
output loaderClientId string = loader.properties.clientId

@description('Name of the guard\'s identity.')
output guardName string = guard.name

@description('Resource id of the guard\'s identity.')
output guardId string = guard.id

@description('Object id of the guard\'s identity.')
output guardPrincipalId string = guard.properties.principalId

@description('Client id of the guard\'s identity.')
output guardClientId string = guard.properties.clientId

@description('Name of RisingWave\'s identity.')
output risingwaveName string = risingwave.name

@description('Object id of RisingWave\'s identity.')
output risingwavePrincipalId string = risingwave.properties.principalId

@description('Client id of RisingWave\'s identity.')
output risingwaveClientId string = risingwave.properties.clientId

@description('Resource id of the identity that pulls images.')
output pullId string = pull.id

@description('Object id of the identity that pulls images.')
output pullPrincipalId string = pull.properties.principalId

@description('Resource id of the cluster\'s identity.')
output clusterId string = cluster.id

@description('Object id of the cluster\'s identity.')
output clusterPrincipalId string = cluster.properties.principalId
