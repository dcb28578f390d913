"""A subscription as the scripts can see it. The real CLI takes the words apart, refuses what it would refuse, and prints the answer
through the line's own --query; between the two, instead of Azure, this: whole answers in the form of Azure's REST, made by the CLI's
own SDK into what the CLI sees. What this does not know is an error, so that a script cannot quietly ask for something new."""

import json
import re
import socket
import threading
from pathlib import Path

from azure.cli.core.commands import AzCliCommandInvoker
from azure.cli.core.util import todict
from azure.mgmt.containerinstance.models import ContainerGroup
from azure.mgmt.keyvault.models import Vault
from azure.mgmt.resource.deployments.models import DeploymentExtended, WhatIfOperationResult
from azure.mgmt.resource.locks.models import ManagementLockObject
from azure.mgmt.resource.resources.models import GenericResource, GenericResourceExpanded, Provider, ResourceGroup

from cli import Cli, Refused

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
# As Azure writes them, one of them not as everybody else does.
PROVIDERS = """Microsoft.EventHub Microsoft.Storage Microsoft.KeyVault Microsoft.ManagedIdentity Microsoft.ContainerInstance
Microsoft.ContainerRegistry Microsoft.ContainerService Microsoft.DBforPostgreSQL Microsoft.EventGrid Microsoft.Network
Microsoft.OperationalInsights microsoft.insights""".split()
LOG = '{"timestamp":"2026-08-20T10:00:00Z","level":"INFO","fields":{"message":"%s"},"target":"deltawave::operator::guard"}\n'


class Failed(Exception):
    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


def fail(code, message, details=()):
    """An error of a deployment as the CLI prints it: JSON, nested as Azure nests it, on one line."""
    error = {"code": code, "message": message}
    if details:
        error["details"] = [{"code": inner, "message": text} for inner, text in details]
    raise Failed(json.dumps(error))


def nested(code, message):
    """How a failed deployment tells of a resource inside a module."""
    inner = json.dumps({"error": {"code": code, "message": message}})
    fail("DeploymentFailed", "At least one resource deployment operation failed. Please list deployment operations for details.",
         [("ResourceDeploymentFailure", f"The resource write operation failed to complete successfully, because it reached terminal provisioning state 'Failed'. {inner}")])


def sdk(model, wire):
    """Azure's JSON as the CLI sees it."""
    made = model.deserialize(wire) if hasattr(model, "deserialize") else model(wire)
    return todict(made, AzCliCommandInvoker.remove_additional_prop_layer)


def new_state():
    return {
        "logged_in": True, "cli": "2.91.0", "bicep": "0.49.2", "group": True, "deployed": None, "providers": list(PROVIDERS),
        "permissions": [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}],
        "what_if_error": None, "create_error": None, "containers": None, "vault": None, "readable": True, "locks": [],
        "purge_protection": None, "ready_after": 0, "deployment": "deltawave", "private": False, "person": False,
    }


class Azure:
    def __init__(self, root, directory):
        self.cli, self.root, self.state, self.calls = Cli(), root, new_state(), []
        template = (root / "infra/main.bicep").read_text()
        self.parameters = set(re.findall(r"^param (\w+)", template, re.M))
        self.address = str(Path(directory) / "azure")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen()
        threading.Thread(target=self.serve, args=(listener,), daemon=True).start()

    def serve(self, listener):
        while True:
            peer, _ = listener.accept()
            with peer, peer.makefile("rb") as lines:
                peer.sendall(json.dumps(self.answer(json.loads(lines.readline()))).encode() + b"\n")

    def answer(self, words):
        try:
            command, parsed = self.cli.parse(words)
        except Refused as error:
            self.calls.append({"command": "refused", "args": words})
            return {"out": "", "err": f"{error}\n", "code": 2}
        self.calls.append({"command": command, "args": words})
        try:
            if not self.state["logged_in"] and command not in ("version", "bicep version"):
                raise Failed("Please run 'az login' to setup account.")
            reply = getattr(self, command.replace(" ", "_").replace("-", "_"), None)
            if reply is None:
                raise Failed(f"the played Azure does not know `az {command}`")
            result = reply(parsed)
            # Two commands print text, whatever the form.
            return {"out": result if command in ("bicep version", "container logs") else self.cli.print(parsed, result), "err": "", "code": 0}
        except Failed as error:
            return {"out": "", "err": f"ERROR: {error}\n", "code": error.code}
        except Exception as error:  # a query that does not fit is the CLI's to refuse, and the test's to see
            return {"out": "", "err": f"ERROR: {type(error).__name__}: {error}\n", "code": 1}

    # ---- the CLI itself

    def version(self, _):
        return {"azure-cli": self.state["cli"], "azure-cli-core": self.state["cli"], "azure-cli-telemetry": "1.1.0", "extensions": {}}

    def bicep_version(self, _):
        if not self.state["bicep"]:
            raise Failed('Bicep CLI not found. Install it now by running "az bicep install".')
        return f"Bicep CLI version {self.state['bicep']} (0123456789)\n"

    def login(self, _):
        return [self.account_show(None)]

    def account_show(self, _):
        return {"environmentName": "AzureCloud", "homeTenantId": SUBSCRIPTION, "id": SUBSCRIPTION, "isDefault": True, "managedByTenants": [],
                "name": "Pay-As-You-Go", "state": "Enabled", "tenantId": SUBSCRIPTION, "user": {"name": "you@example.com", "type": "user"}}

    # ---- the subscription

    def provider_list(self, _):
        if self.state["providers"] is None:
            raise Failed("(AuthorizationFailed) The client 'you@example.com' with object id '1' does not have authorization to perform action "
                         f"'Microsoft.Resources/subscriptions/providers/read' over scope '/subscriptions/{SUBSCRIPTION}' or the scope is invalid.")
        every = [*PROVIDERS, "Microsoft.Quantum"]
        return [sdk(Provider, {"id": f"/subscriptions/{SUBSCRIPTION}/providers/{name}", "namespace": name, "registrationPolicy": "RegistrationRequired",
                               "registrationState": "Registered" if name in self.state["providers"] else "NotRegistered", "resourceTypes": []}) for name in every]

    def rest(self, parsed):
        assert re.fullmatch(rf"https://management.azure.com/subscriptions/{SUBSCRIPTION}(/resourceGroups/rg)?/providers/Microsoft.Authorization/permissions\?api-version=[\d-]+",
                            parsed.url), parsed.url
        return {"value": self.state["permissions"]}

    def group_exists(self, _):
        return self.state["group"]

    def group_create(self, parsed):
        self.state["group"] = True
        return sdk(ResourceGroup, {"id": GROUP, "name": "rg", "location": parsed.location, "properties": {"provisioningState": "Succeeded"}})

    def group_delete(self, parsed):
        # A person is asked, and says yes.
        assert parsed.yes or self.state["person"]
        self.state.update(group=False, vault=None, containers=None, deployed=None)

    def resource_list(self, _):
        return [sdk(GenericResourceExpanded, {"id": f"{GROUP}/providers/Microsoft.KeyVault/vaults/v", "name": "v", "type": "Microsoft.KeyVault/vaults", "location": "westeurope"})]

    def resource_show(self, parsed):
        assert (parsed.resource_name, parsed.resource_type) == ("deltawave-traces", "Microsoft.Insights/components")
        return sdk(GenericResource, {"id": f"{GROUP}/providers/Microsoft.Insights/components/deltawave-traces", "name": "deltawave-traces", "type": "microsoft.insights/components",
                                     "location": "westeurope", "properties": {"ConnectionString": "InstrumentationKey=secret-of-traces"}})

    def lock_list(self, _):
        return [sdk(ManagementLockObject, {"id": f"{GROUP}/providers/{of}/providers/Microsoft.Authorization/locks/keep", "name": "keep",
                                           "type": "Microsoft.Authorization/locks", "properties": {"level": "CanNotDelete"}}) for of in self.state["locks"]]

    # ---- deployments

    def given(self, parsed):
        """The parameters, as ARM would have them; a wrong name is refused by Bicep."""
        if parsed.template_file and not Path(parsed.template_file).is_file():
            raise Failed(f"[Errno 2] No such file or directory: '{parsed.template_file}'", 1)
        values = {}
        for [word] in parsed.parameters or []:
            name, equals, value = word.partition("=")
            if not equals:
                values.update(dict(re.findall(r"^param (\w+) = (.+)$", Path(word).read_text(), re.M)))
            elif name not in self.parameters:
                raise Failed(f"Unrecognized template parameter '{name}'. Allowed parameters: {', '.join(sorted(self.parameters))}")
            else:
                values[name] = value
        if not (parsed.template_file or any(word.endswith(".bicepparam") for [word] in parsed.parameters or [])):
            raise Failed("Deployment template not specified. Please provide template file.")
        if values.get("run") != "false" and not values.get("image") and not values.get("source"):
            fail("InvalidTemplate", "Deployment template validation failed: 'Give image=…, an image that is published, or source=…'.")
        return values

    def deployment_group_what_if(self, parsed):
        values = self.given(parsed)
        if self.state["what_if_error"]:
            fail(*self.state["what_if_error"])
        containers, changes = f"{GROUP}/providers/Microsoft.ContainerInstance/containerGroups/deltawave", []
        before = self.state["containers"]

        def change(kind, id, delta=None):
            changes.append({"resourceId": id, "changeType": kind, "before": None if kind == "Create" else {"id": id}, "after": {"id": id}, "delta": delta})

        def modified(path, old, new):
            return {"path": path, "propertyChangeType": "Modify", "before": old, "after": new, "children": None}

        change("NoChange" if self.state["deployed"] else "Create", f"{GROUP}/providers/Microsoft.KeyVault/vaults/v")
        change("Ignore", f"{GROUP}/providers/Microsoft.Compute/disks/else")
        if values.get("run") != "false" and before is None:
            change("Create", containers)
        elif before is not None:
            inside, outside = [], []
            if before["image"] != (values.get("image") or values.get("source")):
                inside.append(modified("properties.image", before["image"], values.get("image")))
            if before["risingwave"] != values.get("risingwave"):
                inside.append({"path": "properties.resources.requests.cpu", "propertyChangeType": "Modify", "before": 2, "after": 3, "children": None})
            if before["dnsLabel"] != values.get("dnsLabel"):
                outside.append({"path": "properties.ipAddress", "propertyChangeType": "Create", "before": None, "after": {"type": "Public"}, "children": None})
            if inside:
                outside.append({"path": "properties.containers", "propertyChangeType": "Array", "before": None, "after": None,
                                "children": [{"path": "0", "propertyChangeType": "Modify", "before": None, "after": None, "children": inside}]})
            if outside:
                # What Azure fills in by itself shows, too.
                noise = [{"path": "properties.sku", "propertyChangeType": "Delete", "before": "Standard", "after": None, "children": None},
                         {"path": "properties.ipAddress", "propertyChangeType": "NoEffect", "before": None, "after": "1.2.3.4", "children": None}]
                change("Modify", containers, noise + outside)
        return sdk(WhatIfOperationResult, {"status": "Succeeded", "properties": {"correlationId": "c", "changes": changes}})

    def deployment_group_create(self, parsed):
        values = self.given(parsed)
        if self.state["create_error"]:
            nested(*self.state["create_error"])
        before = self.state["containers"]
        if before and (before["risingwave"] != values.get("risingwave") or before["dnsLabel"] != values.get("dnsLabel")):
            nested("InvalidContainerGroupUpdate", "The updates on container group 'deltawave' are invalid. If you are going to update the os type, restart policy, "
                   "network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.")
        if self.state["vault"] is None:
            self.state["vault"] = {f"risingwave-{name}": f"Dw9-{name}-{'secret' * 5}" for name in
                                   ("root-password", "loader-password", "reader-password", "metadata-password", "state-key")}
            if "producers" not in values:
                self.state["vault"]["producer-connection-string"] = "Endpoint=sb://ns/;SharedAccessKey=secretsecret"
        self.state["deployed"] = values
        if values.get("run") != "false" and values.get("engine") != "aks":
            self.state["containers"] = {"image": values.get("image") or values.get("source"), "risingwave": values.get("risingwave"), "dnsLabel": values.get("dnsLabel")}
        return self.deployment()

    def deployment(self):
        values, containers = self.state["deployed"], self.state["containers"]
        label, cluster = values.get("dnsLabel"), values.get("engine") == "aks"
        front = "10.42.0.4" if self.state["private"] else f"{label}.westeurope.azurecontainer.io" if label else ""
        outputs = {
            "keyVaultName": "v", "keyVaultUrl": "https://v.vault.azure.net/", "eventHubNamespace": "ns", "eventHubName": "user-events",
            "kafkaBootstrap": "ns.servicebus.windows.net:9093", "captureAccountName": "a", "captureContainerUrl": "https://a.blob.core.windows.net/capture",
            "notificationsUrl": "https://a.queue.core.windows.net/new-files", "newFilesTopicName": "t", "stateAccountName": "s",
            "stateEndpoint": "https://s.blob.core.windows.net/", "stateContainer": "state", "databaseHost": "db.example", "databaseName": "risingwave",
            "databaseUser": "admin", "loaderClientId": "loader-id", "guardClientId": "guard-id", "risingwaveClientId": "risingwave-id" if cluster else "",
            "registryName": "reg", "registryLoginServer": "reg.azurecr.io", "containerGroupName": "deltawave" if containers else "",
            "frontAddress": front, "frontPort": 4566 if front else 0, "clusterName": "cluster" if cluster else "", "workspaceName": "w", "live": values.get("live") == "true",
            "lakeContainerUrl": "https://a.blob.core.windows.net/lake" if values.get("lake") == "true" else "",
            "applicationInsightsName": "deltawave-traces" if values.get("applicationInsights") == "true" else "",
            "image": values.get("image") or "reg.azurecr.io/deltawave:built",
        }
        kind = {str: "String", int: "Int", bool: "Bool"}
        return sdk(DeploymentExtended, {
            "id": f"{GROUP}/providers/Microsoft.Resources/deployments/{self.state['deployment']}", "name": self.state["deployment"],
            "type": "Microsoft.Resources/deployments", "properties": {"provisioningState": "Succeeded", "mode": "Incremental",
                                                                      "outputs": {name: {"type": kind[type(value)], "value": value} for name, value in outputs.items()}}})

    def deployment_group_show(self, parsed):
        if not self.state["deployed"] or parsed.deployment_name != self.state["deployment"]:
            raise Failed(f"(DeploymentNotFound) Deployment '{parsed.deployment_name}' could not be found.", 3)
        return self.deployment()

    # ---- what runs, and the vault

    def container_delete(self, parsed):
        assert (parsed.yes or self.state["person"]) and parsed.name == "deltawave"
        self.state["containers"] = None

    def container_exec(self, parsed):
        # A terminal, which ends with the shell in it.
        assert (parsed.name, parsed.container_name, parsed.exec_command) == ("deltawave", "loader", "bash") and self.state["containers"]

    def container_logs(self, parsed):
        assert (parsed.name, parsed.container_name) == ("deltawave", "guard")
        self.state["ready_after"] -= 1
        return LOG % "guarding" + (LOG % "the store is set up and takes changes" if self.state["ready_after"] < 0 else "")

    def container_show(self, _):
        def container(name, state):
            return {"name": name, "properties": {"image": "i", "resources": {"requests": {"cpu": 1, "memoryInGB": 2}},
                                                 "instanceView": {"restartCount": 0, "currentState": state} if state else None}}

        return sdk(ContainerGroup, {"name": "deltawave", "location": "westeurope", "properties": {"osType": "Linux", "containers": [
            container("risingwave", {"state": "Running", "detailStatus": ""}), container("guard", {"state": "Terminated", "detailStatus": "Error", "exitCode": 1}),
            container("loader", None)]}})

    def keyvault_list(self, _):
        if self.state["vault"] is None:
            return []
        return [sdk(Vault, {"id": f"{GROUP}/providers/Microsoft.KeyVault/vaults/v", "name": "v", "location": "westeurope", "tags": {},
                            "properties": {"tenantId": SUBSCRIPTION, "sku": {"family": "A", "name": "standard"}, "enablePurgeProtection": self.state["purge_protection"]}})]

    def keyvault_purge(self, parsed):
        assert parsed.vault_name == "v"

    def keyvault_secret_list(self, parsed):
        if not self.state["readable"]:
            raise Failed("(Forbidden) Caller is not authorized to perform action on resource.")
        managed = ["sql"] if parsed.include_managed else []
        return [{"attributes": {"enabled": True}, "contentType": None, "id": f"https://v.vault.azure.net/secrets/{name}", "managed": name in managed or None,
                 "name": name, "tags": {}} for name in self.state["vault"] if name != "sql" or managed]

    def keyvault_secret_show(self, parsed):
        return {"attributes": {"enabled": True}, "id": f"https://v.vault.azure.net/secrets/{parsed.name}/1", "name": parsed.name, "value": self.state["vault"][parsed.name]}

    def keyvault_certificate_create(self, parsed):
        assert parsed.certificate_name == "sql" and parsed.policy["secret_properties"]["content_type"] == "application/x-pem-file", parsed.policy
        self.state["vault"]["sql"] = "-----BEGIN CERTIFICATE-----"
        return {"status": "completed", "id": "https://v.vault.azure.net/certificates/sql/pending"}

    def keyvault_certificate_download(self, parsed):
        assert (parsed.file_path, parsed.encoding, self.state["vault"].get("sql")) == ("sql.pem", "PEM", "-----BEGIN CERTIFICATE-----")

    def aks_get_credentials(self, parsed):
        Path(parsed.path).touch()
