metadata description = 'A user-assigned identity. What it may do stands beside the resource it may do it to.'

import { Identity, Tags } from 'types.bicep'

param name string
param location string
param tags Tags

resource made 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output identity Identity = {
  id: made.id
  name: made.name
  principalId: made.properties.principalId
  clientId: made.properties.clientId
}
