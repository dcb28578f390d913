// A small one to try things with; differences to the defaults only. Which image runs is said beside it:
//   az deployment group create -g GROUP -p infra/dev.bicepparam -p source=https://github.com/YOU/deltawave.git#main
using './main.bicep'

param tags = { project: 'deltawave', environment: 'dev' }
