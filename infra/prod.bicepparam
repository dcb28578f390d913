// For production: private networking, zones, locks, room to grow; differences to the defaults only. Which image runs is
// said beside it, and `engine=aks` for more than four cores of RisingWave:
//   az deployment group create -g GROUP -p infra/prod.bicepparam -p image=REGISTRY/deltawave:VERSION
using './main.bicep'

param network = { private: true }
// The addresses that you deploy from: with none here the vault, the registry and a cluster's API close to them too.
param operator = { addresses: [] }
// Producers inside the VNet come by the private endpoint; add the object ids of their identities, and the public
// addresses of those outside.
param producers = { connectionString: false, principalIds: [], addresses: [] }

param stream = { partitions: 8, retentionHours: 168, throughputUnits: 2, maximumThroughputUnits: 10 }
param risingwave = { cpu: 3, memoryGib: 12 }
param loader = { cpu: '0.75', memoryGib: '2' }
param database = { tier: 'GeneralPurpose', sku: 'Standard_D2ds_v5' }
param containerRegistry = true

param zoneRedundant = true
param protect = true
param logRetentionDays = 90
param alerts = { emails: [] }

param tags = { project: 'deltawave', environment: 'prod' }
