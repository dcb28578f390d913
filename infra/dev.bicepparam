// A small one to try things with. Secrets and what changes from one deployment to the next come from the environment,
// where deploy/deploy.sh puts them.
using './main.bicep'

param rootPassword = readEnvironmentVariable('DELTAWAVE_ROOT_PASSWORD')
param loaderPassword = readEnvironmentVariable('DELTAWAVE_LOADER_PASSWORD')
param readerPassword = readEnvironmentVariable('DELTAWAVE_READER_PASSWORD')
param metadataPassword = readEnvironmentVariable('DELTAWAVE_METADATA_PASSWORD')

param operatorPrincipalId = readEnvironmentVariable('DELTAWAVE_OPERATOR_ID', '')
param operatorPrincipalType = readEnvironmentVariable('DELTAWAVE_OPERATOR_TYPE', 'User')

param image = readEnvironmentVariable('DELTAWAVE_IMAGE', '')
param containerRegistry = true

// Without a name and a certificate no port for SQL is opened.
param publicAccess = !empty(readEnvironmentVariable('DELTAWAVE_DNS_LABEL', ''))
param dnsLabel = readEnvironmentVariable('DELTAWAVE_DNS_LABEL', '')
param tlsCertificate = readEnvironmentVariable('DELTAWAVE_TLS_CERTIFICATE', '')
param tlsKey = readEnvironmentVariable('DELTAWAVE_TLS_KEY', '')

param tags = {
  project: 'deltawave'
  environment: 'dev'
}
