// For production: private networking, zones, locks, room to grow. Secrets and what changes from one deployment to the
// next come from the environment, where deploy/deploy.sh puts them.
using './main.bicep'

param rootPassword = readEnvironmentVariable('DELTAWAVE_ROOT_PASSWORD')
param loaderPassword = readEnvironmentVariable('DELTAWAVE_LOADER_PASSWORD')
param readerPassword = readEnvironmentVariable('DELTAWAVE_READER_PASSWORD')
param metadataPassword = readEnvironmentVariable('DELTAWAVE_METADATA_PASSWORD')

param operatorPrincipalId = readEnvironmentVariable('DELTAWAVE_OPERATOR_ID', '')
param operatorPrincipalType = readEnvironmentVariable('DELTAWAVE_OPERATOR_TYPE', 'User')

param image = readEnvironmentVariable('DELTAWAVE_IMAGE', '')
param containerRegistry = true

// `aks` for more than four cores of RisingWave: then deploy/aks follows.
param engine = 'aci'
param risingwaveCpu = 3
param risingwaveMemoryGib = 12
param loaderCpu = '0.75'
param loaderMemoryGib = '2'

param privateNetworking = true
// The address that you deploy from: with none here the vault, the registry and a cluster's API close to it too.
param operatorAddresses = []
// Addresses of producers outside Azure. Those inside come by the private endpoint, or as producerPrincipalIds.
param producerAddresses = []
param producerConnectionString = false
param producerPrincipalIds = []

// People in the VNet reach SQL by this certificate; without it by nothing.
param tlsCertificate = readEnvironmentVariable('DELTAWAVE_TLS_CERTIFICATE', '')
param tlsKey = readEnvironmentVariable('DELTAWAVE_TLS_KEY', '')

param partitionCount = 8
param retentionHours = 168
param throughputUnits = 2
param maximumThroughputUnits = 10

param zoneRedundant = true
param databaseTier = 'GeneralPurpose'
param databaseSku = 'Standard_D2ds_v5'

param protect = true
param logRetentionDays = 90
param alertEmails = []

param tags = {
  project: 'deltawave'
  environment: 'prod'
}
