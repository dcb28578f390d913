"""Runs deploy.sh, teardown.sh and aks/install.sh against a played Azure behind the real CLI's parser, and looks at what they asked of it."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import played

CHECK = Path(__file__).resolve().parent
DEPLOY, ROOT = CHECK.parent, CHECK.parents[1]
# What changes something in the cloud.
WRITES = re.compile(r"group (create|delete)|deployment group create|container delete|keyvault (purge|secret set)|provider register|lock delete")
IMAGE = "image=ghcr.io/you/deltawave:1"
DIRECTORY = tempfile.TemporaryDirectory()
AZURE = played.Azure(ROOT, DIRECTORY.name)


class Scripts(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = Path(directory.name)
        self.state = AZURE.state = played.new_state()

    def run_script(self, script, *args, answer="", path=None, where=None, **more):
        AZURE.calls.clear()
        environment = {
            "PATH": path or f"{CHECK / 'fake'}:{os.environ['PATH']}", "HOME": str(self.home), "PLAYED_AZURE": AZURE.address,
            "FAKE_CALLS": str(self.home / "calls"), "DELTAWAVE_READY_WITHIN": "0", "DELTAWAVE_ASK_EVERY": "0", **more,
        }
        done = subprocess.run([shutil.which("bash"), (where or DEPLOY) / script, *args], input=answer, capture_output=True, text=True, env=environment, timeout=120)
        self.output = done.stdout + done.stderr
        self.calls = list(AZURE.calls)
        for secret in (self.state["vault"] or {}).values():
            self.assertNotIn(secret, self.output, "a password was printed")
            self.assertNotIn(secret, str(self.calls), "a password is among the arguments of a program")
        self.assertNotIn("unbound variable", self.output)
        self.assertEqual([call["args"] for call in self.calls if call["command"] == "refused"], [], "the CLI does not take this:\n" + self.output)
        self.assertNotIn("does not know", self.output)
        return done.returncode

    def deploy(self, *args, **more):
        return self.run_script("deploy.sh", "-g", "rg", *args, **more)

    def writes(self):
        return [call["command"] for call in self.calls if WRITES.fullmatch(call["command"])]

    def refused(self, code, *texts, writes=()):
        """It failed, said so, and changed nothing."""
        self.assertNotEqual(code, 0, self.output)
        for text in texts:
            self.assertIn(text, self.output)
        self.assertEqual(self.writes(), list(writes), self.output)

    def test_the_first_run_makes_everything_and_waits(self):
        self.state.update(group=False, ready_after=2)
        self.assertEqual(self.deploy("-l", "westeurope", IMAGE, answer="yes\nyes\n", DELTAWAVE_READY_WITHIN="60"), 0, self.output)
        self.assertEqual(self.writes(), ["group create", "deployment group create"])
        self.assertIn("Create  Microsoft.KeyVault/vaults/v\n", self.output)
        self.assertNotIn("Microsoft.Compute", self.output)
        self.assertRegex(self.output, r"waiting for the programs in deltawave \.\. ready")
        self.assertIn("deltawave status", self.output)
        self.assertIn("--event-hub ns/user-events", self.output)
        self.assertIn("--connection-string keyvault:producer-connection-string --key-vault-url https://v.vault.azure.net/", self.output)
        self.assertIn("SQL is open to nobody outside", self.output)

    def test_deploying_again_says_that_it_restarts(self):
        self.deploy("-y", IMAGE)
        vault = dict(self.state["vault"])
        self.assertEqual(self.deploy("-y", IMAGE), 0, self.output)
        self.assertIn("nothing; but Azure compares no secrets", self.output)
        self.assertIn("Containers that run are restarted", self.output)
        self.assertEqual(self.deploy("-y", IMAGE + "0"), 0, self.output)
        self.assertIn("properties.image", self.output)
        self.assertEqual(self.writes(), ["deployment group create"])
        self.assertEqual(self.state["vault"], vault)

    def test_what_azure_cannot_change_in_place_is_deleted_first(self):
        self.deploy("-y", IMAGE)
        for more in ('risingwave={"cpu":3}', "dnsLabel=shop-sql"):
            self.refused(self.deploy(IMAGE, more, answer="no\n"), "in a new group only", "deltawave is deleted first", "nothing was made")
            self.assertEqual(self.deploy(IMAGE, more, answer="yes\n"), 0, self.output)
            self.assertEqual(self.writes(), ["container delete", "deployment group create"])
            self.state["containers"].update(risingwave=None, dnsLabel=None)

    def test_a_refusal_makes_nothing(self):
        self.refused(self.deploy(IMAGE, answer="no\n"), "nothing was made")
        self.refused(self.deploy(IMAGE), "nothing was made")
        self.state["group"] = False
        self.refused(self.deploy("-l", "westeurope", IMAGE, answer="y\n"), "nothing was made")
        # The group it made for what-if goes again.
        self.assertEqual(self.deploy("-l", "westeurope", IMAGE, answer="yes\nno\n"), 1)
        self.assertEqual(self.writes(), ["group create", "group delete"])
        self.assertFalse(self.state["group"])

    def test_showing_makes_nothing(self):
        # Nor does it read a secret, or need a right to write.
        self.state.update(readable=False, permissions=[{"actions": ["*/read"], "notActions": []}])
        self.assertEqual(self.deploy("-w", IMAGE), 0, self.output)
        self.assertEqual(self.writes(), [])
        self.assertIn("Microsoft.KeyVault/vaults/v", self.output)
        [what_if] = [call["args"] for call in self.calls if call["command"] == "deployment group what-if"]
        self.assertIn("ProviderNoRbac", what_if)
        self.state["group"] = False
        self.refused(self.deploy("-w", "-l", "westeurope", IMAGE), "az group create")

    def test_errors_of_azure_end_it_with_their_cure(self):
        self.state["what_if_error"] = ("VaultAlreadyExists", "The vault name 'v' is already in use. … soft-deleted")
        self.refused(self.deploy("-y", IMAGE), "az keyvault recover")
        self.state["what_if_error"] = ("InvalidTemplateDeployment", "The template deployment failed.")
        self.refused(self.deploy("-y", IMAGE), "InvalidTemplateDeployment", "docs/deploy.md")
        self.state["what_if_error"] = None
        for error, cure in [
            (("MessagingGatewayBadRequest", "Linked access check failed for capture storage destination /subscriptions/x."), "Storage Blob Data Contributor"),
            (("ServerError", "The location is restricted for provisioning of flexible servers."), "postgres-request-quota-increase"),
            (("TasksOperationsNotAllowed", "ACR Tasks requests for the registry reg are not permitted."), "image="),
            (("RoleAssignmentExists", "The role assignment already exists."), "Delete that assignment"),
            (("InaccessibleImage", "The image 'x' in container group 'deltawave' is not accessible."), "may not pull"),
            (("RequestDisallowedByPolicy", "Resource 'x' was disallowed by policy."), "policy of your organisation"),
            (("KeyVaultParameterReferenceSecretRetrieveFailed", "The secret of KeyVault parameter could not be retrieved."), "vaults/deploy/action"),
        ]:
            self.state["create_error"] = error
            self.refused(self.deploy("-y", IMAGE), error[0], cure, writes=["deployment group create"])

    def test_what_is_missing_is_named_with_its_cure(self):
        self.state["logged_in"] = False
        self.refused(self.deploy("-y", IMAGE), "az login")
        self.state.update(logged_in=True, cli="2.75.0")
        self.refused(self.deploy("-y", IMAGE), "az upgrade", "2.75.0")
        self.state.update(cli="3.0.0", bicep="")
        self.refused(self.deploy("-y", IMAGE), "az bicep install")
        self.state["bicep"] = "0.35.1"
        self.refused(self.deploy("-y", IMAGE), "az bicep upgrade")
        self.state.update(bicep="0.49.2", providers=["Microsoft.Storage", "microsoft.insights"])
        self.refused(self.deploy("-y", IMAGE), "az provider register", " Microsoft.EventHub")
        self.assertNotIn("Microsoft.Insights", self.output.replace("microsoft.insights", ""))
        self.state["providers"] = played.PROVIDERS
        # Contributor: everything but access.
        contributor = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"]}
        self.state["permissions"] = [contributor]
        self.refused(self.deploy("-y", IMAGE), "Role Based Access Control Administrator", "/resourceGroups/rg")
        # And with a second role that gives it.
        self.state["permissions"] = [contributor, {"actions": ["Microsoft.Authorization/roleAssignments/write"], "notActions": []}]
        self.assertEqual(self.deploy("-y", IMAGE), 0, self.output)
        self.state["group"] = False
        self.refused(self.deploy("-y", IMAGE), "-l westeurope")

    def test_rights_on_the_subscription_are_not_needed(self):
        self.state["providers"] = None
        self.assertEqual(self.deploy("-y", IMAGE), 0, self.output)
        self.assertIn("warning: the subscription's providers may not be read", self.output)

    def test_wrong_words(self):
        self.refused(self.run_script("deploy.sh"), "-g is missing")
        self.refused(self.deploy("-q"), "there is no -q")
        self.refused(self.deploy("-p", "/nowhere.bicepparam"), "is not a file")
        self.refused(self.deploy("image"), "what is `image`?")
        for label in ("shop", "Shop-sql", "-shop-sql", "s" * 64):
            self.refused(self.deploy(IMAGE, f"dnsLabel={label}"), "5 to 63")
        self.refused(self.deploy("-y", IMAGE, "imgae=x"), "imgae")

    def test_a_file_of_parameters_and_words_beside_it(self):
        file = self.home / "mine.bicepparam"
        file.write_text("using 'main.bicep'\n\nparam image = 'ghcr.io/you/deltawave:2'\n")
        self.assertEqual(self.deploy("-y", "-p", str(file), "demo=true"), 0, self.output)
        self.assertEqual(self.state["deployed"], {"image": "'ghcr.io/you/deltawave:2'", "demo": "true"})

    def checkout(self):
        """One of its own, with a remote that Azure could read."""
        root = self.home / "checkout"
        for part in ("deploy", "infra"):
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.com"]
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"], ["remote", "add", "origin", "git@github.com:you/deltawave.git"]):
            subprocess.run([*git, *words], check=True)
        return root, git

    def test_without_an_image_it_is_built_from_what_is_pushed(self):
        root, git = self.checkout()
        self.refused(self.deploy("-y", where=root / "deploy"), "is not pushed", "image=")
        commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run([*git, "update-ref", "refs/remotes/origin/main", commit], check=True)
        self.assertEqual(self.deploy("-y", where=root / "deploy"), 0, self.output)
        self.assertEqual(self.state["deployed"], {"source": f"https://github.com/you/deltawave.git#{commit}"})
        self.state["providers"].remove("Microsoft.ContainerRegistry")
        self.refused(self.deploy("-y", where=root / "deploy"), "az provider register", "Microsoft.ContainerRegistry")
        subprocess.run([*git, "remote", "remove", "origin"], check=True)
        self.refused(self.deploy("-y", where=root / "deploy"), "no remote")

    def test_without_the_image_it_says_how_to_push(self):
        self.assertEqual(self.deploy("-y", "run=false"), 0, self.output)
        self.assertIn("--tag reg.azurecr.io/deltawave:TAG --push", self.output)

    def test_without_az_it_says_where_to_get_it(self):
        tools = self.home / "bin"
        tools.mkdir()
        for tool in ("bash", "dirname", "cat"):
            (tools / tool).symlink_to(shutil.which(tool))
        self.refused(self.deploy(IMAGE, path=str(tools)), "install-azure-cli")

    def test_no_readiness_says_what_to_look_at(self):
        self.state["ready_after"] = 10**6
        self.assertEqual(self.deploy("-y", IMAGE), 1)
        self.assertIn("az container logs", self.output)
        self.assertIn("guard Terminated Error", self.output)
        self.assertIn("loader ?", self.output)

    def test_the_way_to_sql_is_told(self):
        self.assertEqual(self.deploy("-y", IMAGE, "dnsLabel=shop-sql"), 0, self.output)
        self.assertIn('"dnsNames":["shop-sql.westeurope.azurecontainer.io"]', self.output)
        self.assertIn("host=shop-sql.westeurope.azurecontainer.io port=4566 user=reader dbname=dev sslmode=verify-full", self.output)
        self.state["vault"]["sql"] = "-----BEGIN CERTIFICATE-----"
        self.assertEqual(self.deploy("-y", IMAGE, "dnsLabel=shop-sql"), 0, self.output)
        self.assertNotIn("az keyvault certificate create", self.output)
        # In a VNet by an address, and a name of the certificate.
        self.state["private"] = True
        self.assertEqual(self.deploy("-y", IMAGE, "dnsLabel=shop-sql"), 0, self.output)
        self.assertIn("host=NAME hostaddr=10.42.0.4", self.output)
        # Who may not look into the vault is told of both.
        self.state["readable"] = False
        self.assertEqual(self.deploy("-y", IMAGE, "dnsLabel=shop-sql"), 0, self.output)
        self.assertIn("az keyvault certificate create", self.output)
        self.assertIn("keyvault:producer-connection-string", self.output)

    def test_what_it_says_next_is_taken_by_the_cli(self):
        self.deploy("-y", IMAGE, "dnsLabel=shop-sql")
        import cli

        lines = [cli.words_of(self.output[found.end():]) for found in cli.LINE.finditer(self.output)]
        self.assertGreaterEqual(len(lines), 5)
        for words in lines:
            if words[:3] == ["keyvault", "certificate", "import"]:
                continue  # the parser reads the file
            AZURE.cli.parse(words)

    def test_no_connection_string_is_named_that_was_not_made(self):
        self.assertEqual(self.deploy("-y", IMAGE, 'producers={"connectionString":false}'), 0, self.output)
        self.assertNotIn("keyvault:producer-connection-string", self.output)
        self.assertIn("producers.principalIds", self.output)

    def test_help(self):
        for script in ("deploy.sh", "teardown.sh", "aks/install.sh"):
            self.assertEqual(self.run_script(script, "-h"), 0)
            self.assertIn("usage:", self.output)
            self.assertEqual(self.calls, [])

    def test_the_pages_work_word_by_word(self):
        for page, heading in (("README.md", "### In Azure"), ("docs/deploy.md", "### Walk through")):
            section = re.search(rf"^{heading}\n(.*?)^##", (ROOT / page).read_text(), re.M | re.S)[1]
            words = "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S))
            directory = self.home / page.replace("/", "-")
            (directory / "bin").mkdir(parents=True)
            (directory / "infra").symlink_to(ROOT / "infra")
            for tool in ("deltawave", "psql", "cargo"):
                (directory / "bin" / tool).symlink_to(CHECK / "fake/tool")
            (directory / "page.sh").write_text(f"set -euo pipefail\ncd {directory}\n{words}\n")
            self.state = AZURE.state = played.new_state()
            self.state.update(group=False, person=True, deployment="main")
            path = f"{directory / 'bin'}:{CHECK / 'fake'}:{os.environ['PATH']}"
            self.assertEqual(self.run_script("page.sh", where=directory, path=path), 0, f"{page}:\n{self.output}")
            self.assertEqual(self.writes()[0], "group create")
            self.assertIn("deployment group create", self.writes())
            # Nothing is left.
            self.assertEqual(self.writes()[-2:], ["group delete", "keyvault purge"], page)
            self.assertEqual((self.state["group"], self.state["vault"]), (False, None))
            self.assertIn('{"command": "deltawave", "args": ["status"]}', (self.home / "calls").read_text())

    def test_teardown(self):
        self.deploy("-y", IMAGE)
        self.refused(self.run_script("teardown.sh", "-g", "rg", answer="yes\n"), "nothing was deleted")
        self.state["locks"] = ["Microsoft.Storage/storageAccounts/a", "Microsoft.KeyVault/vaults/v"]
        self.refused(self.run_script("teardown.sh", "-g", "rg", "-y"), f"az lock delete --ids {played.GROUP}/providers/Microsoft.Storage/storageAccounts/a/providers/")
        self.state.update(locks=[], purge_protection=True)
        self.refused(self.run_script("teardown.sh", "-g", "rg", "-x", "-y"), "leave out -x")
        self.assertEqual(self.run_script("teardown.sh", "-g", "rg", "-y"), 0, self.output)
        self.assertEqual(self.writes(), ["group delete"])
        self.assertNotIn("az keyvault purge", self.output)
        self.state.update(group=True, purge_protection=None)
        self.deploy("-y", IMAGE)
        self.assertEqual(self.run_script("teardown.sh", "-g", "rg", "-x", answer="rg\n"), 0, self.output)
        self.assertEqual(self.writes(), ["group delete", "keyvault purge"])
        self.assertEqual(self.run_script("teardown.sh", "-g", "rg", "-y"), 0, self.output)
        self.assertEqual(self.writes(), [])

    def test_the_cluster_is_installed_from_the_outputs(self):
        self.assertEqual(self.deploy("-y", IMAGE, "engine=aks", "live=true"), 0, self.output)
        self.assertIn("deploy/aks/install.sh -g rg", self.output)
        for name in ("deltawave", "main"):
            self.state["deployment"] = name
            self.assertEqual(self.run_script("aks/install.sh", "-g", "rg", "-i", "reg.azurecr.io/deltawave:1", "-s", "3"), 0, self.output)
        settings = (self.home / "calls.settings.env").read_text()
        for line in ("SHARDS=3", "CAPTURE_CONTAINER_URL=https://a.blob.core.windows.net/capture",
                     "NOTIFICATIONS_URL=https://a.queue.core.windows.net/new-files", "EVENT_HUB_NAMESPACE=ns", "EVENT_HUB=ns/user-events", "LIVE=true", "ROUTE=user-events=user_event_log", "GUARD_CLIENT_ID=guard-id"):
            self.assertIn(line + "\n", settings)
        self.assertIn("newName: reg.azurecr.io/deltawave\n    newTag: \"1\"", (self.home / "calls.kustomization.yaml").read_text())
        self.assertIn(self.state["vault"]["risingwave-metadata-password"], (self.home / "calls.input").read_text())
        self.assertIn("metaStore.postgresql.host=db.example", (self.home / "calls").read_text())
        self.assertNotIn("secret/traces", self.output)
        self.state["deployed"]["applicationInsights"] = "true"
        self.assertEqual(self.run_script("aks/install.sh", "-g", "rg"), 0, self.output)
        self.assertIn("secret/traces configured", self.output)
        self.assertTrue((self.home / "calls.input").read_text().endswith("InstrumentationKey=secret-of-traces"))
        self.assertNotIn("secret-of-traces", self.output + (self.home / "calls").read_text())
        # With a container for Delta tables the history goes there, too.
        self.state["deployed"]["lake"] = "true"
        self.assertEqual(self.run_script("aks/install.sh", "-g", "rg"), 0, self.output)
        route = "ROUTE=user-events=user_event_log,user-events=delta:https://a.blob.core.windows.net/lake/user_event_log\n"
        self.assertIn(route, (self.home / "calls.settings.env").read_text())
        # Without -i what the deployment says.
        self.assertEqual(self.run_script("aks/install.sh", "-g", "rg"), 0, self.output)
        self.assertIn("newName: ghcr.io/you/deltawave\n", (self.home / "calls.kustomization.yaml").read_text())
        (self.home / "calls").unlink()
        self.refused(self.run_script("aks/install.sh", "-g", "rg", FAKE_UNREACHABLE="1"), "only in the VNet")
        self.assertNotIn('"helm"', (self.home / "calls").read_text())
        del self.state["deployed"]["engine"]
        self.refused(self.run_script("aks/install.sh", "-g", "rg", "-i", "x:1"), "engine=aks")


if __name__ == "__main__":
    unittest.main(verbosity=2)
