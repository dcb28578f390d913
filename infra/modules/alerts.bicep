metadata description = 'What a person should know of without looking. Event Hubs and PostgreSQL have metrics of their own; of the loader and RisingWave the logs tell.'

import { Alerts, Common } from 'types.bicep'

param common Common
param alerts Alerts
param namespaceId string
param serverId string
param captureAccountName string
param actionGroupId string

@description('Where the containers run. The logs are in different tables.')
param engine 'aci' | 'aks'

var eventHubs = { scope: namespaceId, metricNamespace: 'Microsoft.EventHub/namespaces', aggregation: 'Total' }

var metrics = [
  {
    ...eventHubs
    name: 'throttled-requests'
    metric: 'ThrottledRequests'
    threshold: 0
    severity: 2
    text: 'Event Hubs refuses requests because the throughput units are used up: raise stream.throughputUnits or stream.maximumThroughputUnits.'
  }
  {
    ...eventHubs
    name: 'capture-backlog'
    metric: 'CaptureBacklog'
    // The metric has totals only: this is the sum of the window's fifteen minutes.
    threshold: alerts.captureBacklog * 15
    severity: 2
    text: 'Capture is behind: it may not write to its storage account, or has more to write than it can.'
  }
  {
    ...eventHubs
    name: 'server-errors'
    metric: 'ServerErrors'
    threshold: 0
    severity: 3
    text: 'Event Hubs answered with errors of its own.'
  }
  {
    name: 'database-full'
    scope: serverId
    metricNamespace: 'Microsoft.DBforPostgreSQL/flexibleServers'
    metric: 'storage_percent'
    aggregation: 'Average'
    threshold: 80
    severity: 2
    text: 'The disk of RisingWave\'s metadata fills up, and does not grow by itself: raise database.storageGib.'
  }
]

// One line of a container's output: TimeGenerated, ContainerName, Line.
var lines = engine == 'aks'
  ? 'ContainerLogV2 | where PodNamespace == "deltawave" | project TimeGenerated, ContainerName, Line = tostring(LogMessage)'
  : 'ContainerInstanceLog | project TimeGenerated, ContainerName, Line = Message'

// Azure describes the columns of ContainerEvent, but not which of them has the word; the group's own events have
// `Started` as their name, and `Started container` as their message.
var restarts = engine == 'aks'
  ? [
      'KubePodInventory'
      '| where Namespace == "deltawave"'
      '| summarize Restarts = max(ContainerRestartCount) - min(ContainerRestartCount) by ContainerName'
      '| where Restarts > 0'
    ]
  : [
      'ContainerEvent'
      '| where Reason =~ "Started" or Message startswith "Started container"'
      '| summarize Restarts = sum(Count) - 1 by ContainerName'
      '| where Restarts > 0'
    ]

var queries = [
  {
    name: 'container-restarts'
    severity: 2
    window: 'PT30M'
    text: 'A container was started again. Once, for Azure\'s maintenance or a deployment, is nothing; again and again is.'
    query: restarts
  }
  {
    name: 'loader-not-ready'
    severity: 1
    window: 'PT1H'
    text: 'The loader has been unable to reach the files, RisingWave or the queue for ten minutes. It goes on trying.'
    // It says "retrying" when trouble begins and "works again" when it ends.
    query: [
      lines
      '| where ContainerName has "loader" and (Line has "retrying" or Line has "works again")'
      '| summarize arg_max(TimeGenerated, Line) by ContainerName'
      '| where Line has "retrying" and TimeGenerated < ago(10m)'
    ]
  }
  {
    name: 'loader-lag'
    severity: 1
    window: 'PT2H'
    text: 'Capture wrote a file ${alerts.lagMinutes} minutes ago or earlier, and since then none was loaded.'
    // Of what Capture writes the storage account's log tells: Event Hubs' own count does not go to the workspace.
    query: [
      'let written = toscalar(StorageBlobLogs'
      '  | where AccountName == "${captureAccountName}" and Category == "StorageWrite" and Uri has "avro"'
      '  | where OperationName in ("PutBlob", "PutBlockList") and StatusText == "Success"'
      '  | where TimeGenerated < ago(${alerts.lagMinutes}m)'
      '  | summarize max(TimeGenerated));'
      'let loaded = toscalar(${lines}'
      '  | where ContainerName has "loader" and (Line has "file loaded" or Line has "file quarantined")'
      '  | summarize max(TimeGenerated));'
      'print Written = written, Loaded = loaded'
      '| where isnotnull(Written) and (isnull(Loaded) or Loaded < Written)'
    ]
  }
  {
    name: 'live-unproven'
    severity: 1
    window: 'PT30M'
    text: 'Rows came live, and no Capture file has given them for a quarter of an hour: Capture has stopped, or writes elsewhere.'
    query: [
      lines
      '| where ContainerName has "loader" and Line has "no Capture file has given live rows"'
    ]
  }
  {
    name: 'live-shut'
    severity: 2
    window: 'PT30M'
    text: 'The live lane of a partition writes nothing, as its records are not those of the files. They come with their files.'
    query: [
      lines
      '| where ContainerName has "loader" and Line has "the live lane stays shut"'
    ]
  }
  {
    name: 'waiting-files'
    severity: 2
    window: 'PT30M'
    text: 'A Capture file cannot be read, it alone, and waits: it is archived, or refused. The others go on.'
    query: [
      lines
      '| where ContainerName has "loader" and Line has "it waits, and the others go on"'
    ]
  }
  {
    name: 'bad-files'
    severity: 2
    window: 'PT30M'
    text: 'A Capture file was quarantined, or records were rejected: see capture_files and rejected_events.'
    query: [
      lines
      '| where ContainerName has "loader" and (Line has "file quarantined" or Line has "rejected_events")'
    ]
  }
]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for alert in metrics: {
    name: '${common.name}-${alert.name}'
    location: 'global'
    tags: common.tags
    properties: {
      description: alert.text
      severity: alert.severity
      enabled: true
      autoMitigate: true
      scopes: [alert.scope]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: alert.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: alert.metricNamespace
            metricName: alert.metric
            operator: 'GreaterThan'
            threshold: alert.threshold
            timeAggregation: alert.aggregation
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
  }
]

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in queries: {
    name: '${common.name}-${alert.name}'
    location: common.location
    tags: common.tags
    kind: 'LogAlert'
    properties: {
      displayName: '${common.name}: ${alert.name}'
      description: alert.text
      severity: alert.severity
      enabled: true
      autoMitigate: true
      scopes: [common.workspaceId]
      // Tables come to be with their first row; until then a query that names them must not fail the deployment.
      skipQueryValidation: true
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      criteria: {
        allOf: [
          {
            query: join(alert.query, '\n')
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [actionGroupId] }
    }
  }
]
