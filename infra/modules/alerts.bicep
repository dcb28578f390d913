metadata description = 'What a person should know of without looking. Event Hubs has metrics of its own; of the loader and RisingWave the logs tell.'

@description('Prefix of every name.')
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Where the containers run: aci or aks. The logs are in different tables.')
@allowed([
  'aci'
  'aks'
])
param engine string

@description('Resource id of the Event Hubs namespace.')
param namespaceId string

@description('Name of the Event Hubs namespace.')
param namespaceName string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Resource id of the action group.')
param actionGroupId string

@description('Events that Capture may be behind.')
@minValue(1)
param captureBacklogThreshold int

@description('Minutes that captured events may wait for the loader.')
@minValue(5)
@maxValue(60)
param lagMinutes int

var metrics = [
  {
    name: 'throttled-requests'
    metric: 'ThrottledRequests'
    aggregation: 'Total'
    threshold: 0
    severity: 2
    text: 'Event Hubs refuses requests because the throughput units are used up: raise throughputUnits or maximumThroughputUnits.'
  }
  {
    name: 'capture-backlog'
    metric: 'CaptureBacklog'
    aggregation: 'Maximum'
    threshold: captureBacklogThreshold
    severity: 2
    text: 'Capture is behind: it may not write to its storage account, or has more to write than it can.'
  }
  {
    name: 'server-errors'
    metric: 'ServerErrors'
    aggregation: 'Total'
    threshold: 0
    severity: 3
    text: 'Event Hubs answered with errors of its own.'
  }
]

// One line of a container's output: TimeGenerated, ContainerName, Line.
var linesOfGroup = 'ContainerInstanceLog | project TimeGenerated, ContainerName, Line = Message'
var linesOfCluster = 'ContainerLogV2 | where PodNamespace == "deltawave" | project TimeGenerated, ContainerName, Line = tostring(LogMessage)'
var lines = engine == 'aks' ? linesOfCluster : linesOfGroup

var startsOfGroup = join([
  'ContainerEvent'
  '| where Reason == "Started"'
  '| summarize Restarts = sum(Count) - 1 by ContainerName'
  '| where Restarts > 0'
], '\n')
var startsOfCluster = join([
  'KubePodInventory'
  '| where Namespace == "deltawave"'
  '| summarize Restarts = max(ContainerRestartCount) - min(ContainerRestartCount) by ContainerName'
  '| where Restarts > 0'
], '\n')

var queries = [
  {
    name: 'container-restarts'
    severity: 2
    window: 'PT30M'
    text: 'A container was started again. Once, for Azure\'s maintenance, is nothing; again and again is.'
    query: engine == 'aks' ? startsOfCluster : startsOfGroup
  }
  {
    name: 'loader-not-ready'
    severity: 1
    window: 'PT1H'
    text: 'The loader has been unable to reach the files, RisingWave or the queue for ten minutes. It goes on trying.'
    // It says "retrying" when trouble begins and "works again" when it ends.
    query: join([
      lines
      '| where ContainerName has "loader" and (Line has "retrying" or Line has "works again")'
      '| summarize arg_max(TimeGenerated, Line) by ContainerName'
      '| where Line has "retrying" and TimeGenerated < ago(10m)'
    ], '\n')
  }
  {
    name: 'loader-lag'
    severity: 1
    window: 'PT2H'
    text: 'Events were captured, and for ${lagMinutes} minutes no file was loaded.'
    query: join([
      'let captured = toscalar(AzureMetrics'
      '  | where Resource =~ "${namespaceName}" and MetricName == "CapturedMessages"'
      '  | where TimeGenerated between (ago(${lagMinutes * 2}m) .. ago(${lagMinutes}m))'
      '  | summarize sum(Total));'
      'let loaded = toscalar(${lines}'
      '  | where ContainerName has "loader" and Line has "file loaded" and TimeGenerated > ago(${lagMinutes}m)'
      '  | summarize count());'
      'print Captured = captured, Loaded = loaded'
      '| where Captured > 0 and Loaded == 0'
    ], '\n')
  }
  {
    name: 'bad-files'
    severity: 2
    window: 'PT30M'
    text: 'A Capture file was quarantined, or records were rejected: see capture_files and rejected_events.'
    query: join([
      lines
      '| where ContainerName has "loader" and (Line has "file quarantined" or Line has "rejected_events")'
    ], '\n')
  }
]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [for alert in metrics: {
  name: '${name}-${alert.name}'
  location: 'global'
  tags: tags
  properties: {
    description: alert.text
    severity: alert.severity
    enabled: true
    autoMitigate: true
    scopes: [
      namespaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: alert.name
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.EventHub/namespaces'
          metricName: alert.metric
          operator: 'GreaterThan'
          threshold: alert.threshold
          timeAggregation: alert.aggregation
        }
      ]
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}]

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [for alert in queries: {
  name: '${name}-${alert.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: '${name}: ${alert.name}'
    description: alert.text
    severity: alert.severity
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    // Tables come to be with their first row; until then a query that names them must not fail the deployment.
    skipQueryValidation: true
    evaluationFrequency: 'PT5M'
    windowSize: alert.window
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        actionGroupId
      ]
    }
  }
}]
