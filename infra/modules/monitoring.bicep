metadata description = 'Where logs and metrics go, and who is told.'

import { Tags } from 'types.bicep'

param name string
param location string
param tags Tags
param emails string[]
param applicationInsights bool

@minValue(30)
@maxValue(730)
param logRetentionDays int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: '${name}-logs'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionDays
    features: {
      // Who may read a resource may read its logs, and no others.
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

// Nothing newer keeps what it gets in a workspace.
resource traces 'Microsoft.Insights/components@2020-02-02' = if (applicationInsights) {
  name: '${name}-traces'
  location: location
  tags: tags
  kind: 'web'
  properties: { Application_Type: 'web', WorkspaceResourceId: workspace.id }
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${name}-alerts'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: name
    enabled: true
    emailReceivers: [for (email, i) in emails: { name: 'email-${i}', emailAddress: email, useCommonAlertSchema: true }]
  }
}

output workspaceId string = workspace.id
output workspaceName string = workspace.name
output actionGroupId string = actionGroup.id
output applicationInsightsName string = applicationInsights ? traces.name : ''

@description('Where traces are sent, with the key that lets anybody send some; empty without a component.')
@secure()
output traces string = applicationInsights ? traces!.properties.ConnectionString : ''
