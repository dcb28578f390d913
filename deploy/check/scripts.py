"""Runs deploy.sh, teardown.sh and aks/install.sh against a fake Azure CLI, and looks at what they asked of it."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parent
DEPLOY = CHECK.parent
PROVIDERS = """EventHub Storage KeyVault ManagedIdentity ContainerInstance ContainerRegistry ContainerService
DBforPostgreSQL EventGrid Network OperationalInsights Insights""".split()
# What changes something in the cloud.
WRITES = re.compile(r"group (create|delete)|deployment group create|acr build|keyvault (purge|secret set)|provider register")


class Scripts(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = Path(directory.name)
        self.parameters = self.home / "test.bicepparam"
        self.parameters.write_text("using 'main.bicep'\n")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.state = {
            "logged_in": True, "bicep": True, "group": True, "vault": None, "vault_readable": True, "registry": False,
            "wants_registry": True, "tags": [], "image": "", "front": self.listener.getsockname()[1], "cluster": "",
            "private": False, "deployed": 0, "what_if_error": "", "locks": [], "aks_outputs": [],
            "providers": [f"Microsoft.{name}" for name in PROVIDERS], "permissions": "*|",
        }

    def run_script(self, script, *args, answer="", path=None, **more):
        (self.home / "state").write_text(json.dumps(self.state))
        calls = self.home / "calls"
        calls.write_text("")
        environment = {
            "PATH": path or f"{CHECK / 'fake'}:{os.environ['PATH']}", "HOME": str(self.home), "FAKE_STATE": str(self.home / "state"),
            "FAKE_CALLS": str(calls), "DELTAWAVE_READY_WITHIN": "0", **more,
        }
        done = subprocess.run([shutil.which("bash"), DEPLOY / script, *args], input=answer, capture_output=True, text=True, env=environment, timeout=60)
        self.state = json.loads((self.home / "state").read_text())
        self.calls = [json.loads(line) for line in calls.read_text().splitlines()]
        self.output = done.stdout + done.stderr
        for secret in (self.state["vault"] or {}).values():
            self.assertNotIn(secret, self.output, "a password was printed")
            self.assertNotIn(secret, calls.read_text(), "a password is among the arguments of a program")
        self.assertNotIn("unbound variable", self.output)
        return done.returncode

    def deploy(self, *args, answer=""):
        return self.run_script("deploy.sh", "-g", "rg", "-p", str(self.parameters), *args, answer=answer)

    def writes(self):
        return [call["command"] for call in self.calls if WRITES.fullmatch(call["command"])]

    def refused(self, code, *texts):
        """It failed, said so, and changed nothing."""
        self.assertNotEqual(code, 0, self.output)
        for text in texts:
            self.assertIn(text, self.output)
        self.assertEqual(self.writes(), [], self.output)

    def test_the_first_run_makes_everything(self):
        self.state["group"] = False
        self.assertEqual(self.deploy("-l", "westeurope", answer="yes\nyes\n"), 0, self.output)
        self.assertEqual(self.writes(), ["group create", "deployment group create", "acr build", "deployment group create"])
        passwords = list(self.state["vault"].values())
        self.assertEqual(len(set(passwords)), 4)
        for password in passwords:
            self.assertRegex(password, r"^[A-Za-z0-9_-]{24,}$")
        self.assertIn("user=reader dbname=dev sslmode=verify-full", self.output)
        self.assertIn("--event-hub ns/user-events", self.output)
        self.assertIn("--connection-string keyvault:producer-connection-string", self.output)

    def test_a_second_run_changes_nothing(self):
        self.deploy("-y")
        before = dict(self.state)
        self.assertEqual(self.deploy(), 0, self.output)
        self.assertEqual(self.writes(), [])
        self.assertEqual(self.state, before)
        self.assertIn("nothing", self.output)
        self.assertIn("psql", self.output)
        # Unless it is told that a secret was rotated, which what-if cannot see.
        self.assertEqual(self.deploy("-f", answer="yes\n"), 0, self.output)
        self.assertEqual(self.writes(), ["deployment group create"])

    def test_a_new_image_replaces_only_the_image(self):
        self.deploy("-y")
        vault = self.state["vault"]
        self.assertEqual(self.deploy("-i", "example.azurecr.io/deltawave:2", answer="yes\n"), 0, self.output)
        self.assertEqual(self.writes(), ["deployment group create"])
        self.assertEqual(self.state["vault"], vault)

    def test_a_refusal_makes_nothing(self):
        self.refused(self.deploy(answer="no\n"), "nothing was made")
        self.refused(self.deploy(), "nothing was made")
        self.state["group"] = False
        self.refused(self.deploy("-l", "westeurope", answer="y\n"), "nothing was made")
        # The group it made for what-if goes again.
        self.assertEqual(self.deploy("-l", "westeurope", answer="yes\nno\n"), 1)
        self.assertEqual(self.writes(), ["group create", "group delete"])
        self.assertEqual((self.state["group"], self.state["vault"]), (False, None))

    def test_showing_makes_nothing(self):
        self.assertEqual(self.deploy("-w"), 0, self.output)
        self.assertEqual(self.writes(), [])
        self.assertIn("Microsoft.KeyVault/vaults/v", self.output)
        # Nor does it read a secret, or need a right to write.
        self.deploy("-y")
        self.state.update(vault_readable=False, permissions="*/read|")
        self.assertEqual(self.deploy("-w"), 0, self.output)
        self.assertNotIn("keyvault secret show", [call["command"] for call in self.calls])

    def test_a_failing_what_if_ends_it(self):
        self.state["what_if_error"] = "VaultAlreadyExists: soft-deleted"
        self.refused(self.deploy("-y"), "az keyvault recover")
        self.state["what_if_error"] = "InvalidTemplateDeployment"
        self.refused(self.deploy("-y"), "InvalidTemplateDeployment", "docs/deploy.md")

    def test_what_is_missing_is_named_with_its_cure(self):
        self.state["logged_in"] = False
        self.refused(self.deploy("-y"), "az login")
        self.state.update(logged_in=True, bicep=False)
        self.refused(self.deploy("-y"), "az bicep install")
        self.state.update(bicep=True, providers=["Microsoft.Storage"])
        self.refused(self.deploy("-y"), "az provider register", "Microsoft.EventHub")
        self.state["providers"] = [f"Microsoft.{name}" for name in PROVIDERS]
        # Contributor: everything but access.
        self.state["permissions"] = "*|Microsoft.Authorization/*/Delete Microsoft.Authorization/*/Write"
        self.refused(self.deploy("-y"), "Role Based Access Control Administrator")
        # And with a second role that gives it.
        self.state["permissions"] += "\nMicrosoft.Authorization/roleAssignments/write|"
        self.assertEqual(self.deploy("-y"), 0, self.output)
        self.state["group"] = False
        self.refused(self.deploy("-y"), "-l westeurope")
        self.refused(self.run_script("deploy.sh"), "-g is missing")
        self.refused(self.deploy("-c", "/nowhere", "-k", "/nowhere", "-d", "x"), "readable")

    def test_without_az_it_says_where_to_get_it(self):
        tools = self.home / "bin"
        tools.mkdir()
        for tool in ("bash", "dirname", "cat"):
            (tools / tool).symlink_to(shutil.which(tool))
        self.refused(self.run_script("deploy.sh", "-g", "rg", "-p", str(self.parameters), path=str(tools)), "install-azure-cli")

    def test_an_unreadable_vault_gets_no_new_passwords(self):
        self.deploy("-y")
        self.state["vault_readable"] = False
        self.refused(self.deploy("-y"), "Key Vault Secrets User")

    def test_no_answer_says_what_to_look_at(self):
        self.listener.close()
        self.assertEqual(self.deploy("-y"), 1)
        self.assertIn("az container logs", self.output)

    def test_a_certificate_is_made_once_and_for_its_owner_only(self):
        self.assertEqual(self.deploy("-y", "-d", "mine"), 0, self.output)
        key = self.home / ".local/state/deltawave/rg/tls.key"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        made = key.read_text()
        self.assertNotIn("\n".join(made.splitlines()[1:-1]), json.dumps(self.calls) + self.output)
        self.assertIn(f"sslrootcert={key.parent}/tls.crt", self.output)
        self.deploy("-y", "-d", "mine")
        self.assertEqual(key.read_text(), made)

    def test_a_certificate_of_another_name_is_not_used(self):
        self.deploy("-y", "-d", "mine")
        self.refused(self.deploy("-y", "-d", "other"), "is for mine.westeurope.azurecontainer.io")

    def test_a_private_port_has_a_name_and_is_not_waited_for(self):
        self.state.update(private=True, wants_registry=False)
        self.listener.close()
        self.assertEqual(self.deploy("-y", "-i", "ghcr.io/x/y:1", "-n", "sql.example.internal"), 0, self.output)
        certificate = self.home / ".local/state/deltawave/rg/tls.crt"
        self.assertIn("answers in the VNet only", self.output)
        self.assertIn("guard Running", self.output)
        self.assertIn(f"host=sql.example.internal hostaddr=10.42.0.4 port={self.state['front']}", self.output)
        self.assertIn(f"sslrootcert={certificate}", self.output)
        self.assertIn("--query ipAddress.ip", self.output)
        # The same certificate as one's own, and by a name it is not for.
        self.assertEqual(self.deploy("-c", str(certificate), "-k", str(certificate.with_suffix(".key")), "-i", "ghcr.io/x/y:1"), 0, self.output)
        self.assertIn("host=sql.example.internal hostaddr=10.42.0.4", self.output)
        self.refused(self.deploy("-y", "-i", "ghcr.io/x/y:1", "-d", "mine"), "-d is for a public address")
        self.state.update(private=False, wants_registry=True)
        self.refused(self.deploy("-y", "-n", "sql.example.internal"), "privateNetworking = true")

    def test_a_certificate_of_an_authority_is_trusted_by_it(self):
        made = []
        for name, more in (("ca", []), ("leaf", ["-CA", "ca.crt", "-CAkey", "ca.key"])):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                            "-addext", f"subjectAltName=DNS:{name}.example", "-keyout", f"{name}.key", "-out", f"{name}.crt", *more],
                           cwd=self.home, check=True, capture_output=True)
            made += [str(self.home / f"{name}.crt"), str(self.home / f"{name}.key")]
        self.assertEqual(self.deploy("-y", "-c", made[2], "-k", made[3]), 0, self.output)
        self.assertIn("host=leaf.example hostaddr=127.0.0.1", self.output)
        self.assertIn("sslrootcert=system", self.output)

    def test_a_closed_registry_is_told_of_before_anything_is_made(self):
        self.state["private"] = True
        self.refused(self.deploy("-y"), "cannot build the image", " -o ", "deltawave:", "operatorAddresses")
        self.assertEqual(self.deploy("-w"), 0, self.output)
        # The way out that it names.
        self.assertEqual(self.deploy("-y", "-o"), 0, self.output)
        self.assertEqual(self.writes(), ["deployment group create"])
        self.assertEqual(self.state["image"], "")
        tag = re.search(r"--tag reg.azurecr.io/deltawave:(\w+) --push", self.output)[1]
        self.state["tags"].append(tag)
        self.assertEqual(self.deploy("-y"), 0, self.output)
        self.assertEqual(self.state["image"], f"reg.azurecr.io/deltawave:{tag}")
        self.assertEqual(self.writes(), ["deployment group create"])

    def test_no_registry_is_told_of_before_anything_is_made(self):
        self.state["wants_registry"] = False
        self.refused(self.deploy("-y"), "param containerRegistry = true")

    def test_help(self):
        for script in ("deploy.sh", "teardown.sh", "aks/install.sh"):
            self.assertEqual(self.run_script(script, "-h"), 0)
            self.assertIn("usage:", self.output)
            self.assertEqual(self.calls, [])

    def test_teardown(self):
        self.deploy("-y")
        self.refused(self.run_script("teardown.sh", "-g", "rg", answer="yes\n"), "nothing was deleted")
        self.state["locks"] = ["files"]
        self.refused(self.run_script("teardown.sh", "-g", "rg", "-y"), "az lock delete")
        self.state["locks"] = []
        self.assertEqual(self.run_script("teardown.sh", "-g", "rg", "-x", answer="rg\n"), 0, self.output)
        self.assertEqual(self.writes(), ["group delete", "keyvault purge"])
        self.assertEqual(self.run_script("teardown.sh", "-g", "rg", "-y"), 0, self.output)
        self.assertEqual(self.writes(), [])

    def test_the_cluster_is_installed_from_the_outputs(self):
        self.deploy("-y")
        self.state["aks_outputs"] = ["cluster", "v", "https://v.vault.azure.net/", "https://a.blob.core.windows.net/capture",
                                     "https://a.queue.core.windows.net/new-files", "ns", "user-events",
                                     "loader-id", "guard-id", "risingwave-id", "https://s.blob.core.windows.net/", "state", "db.example", "risingwave", "admin"]
        self.assertEqual(self.run_script("aks/install.sh", "-g", "rg", "-i", "reg.azurecr.io/deltawave:1", "-s", "3"), 0, self.output)
        settings = (self.home / "calls.settings.env").read_text()
        for line in ("SHARDS=3", "CAPTURE_CONTAINER_URL=https://a.blob.core.windows.net/capture",
                     "NOTIFICATIONS_URL=https://a.queue.core.windows.net/new-files", "EVENT_HUB_NAMESPACE=ns", "ROUTE=user-events=user_event_log", "GUARD_CLIENT_ID=guard-id"):
            self.assertIn(line + "\n", settings)
        self.assertIn("newName: reg.azurecr.io/deltawave\n    newTag: \"1\"", (self.home / "calls.kustomization.yaml").read_text())
        self.assertIn(self.state["vault"]["risingwave-metadata-password"], (self.home / "calls.input").read_text())
        helm = next(call["args"] for call in self.calls if call["command"] == "helm")
        self.assertIn("metaStore.postgresql.host=db.example", helm)
        self.refused(self.run_script("aks/install.sh", "-g", "rg", "-i", "x:1", FAKE_UNREACHABLE="1"), "only in the VNet")
        self.assertNotIn("helm", [call["command"] for call in self.calls])
        self.state["aks_outputs"][0] = ""
        self.refused(self.run_script("aks/install.sh", "-g", "rg", "-i", "x:1"), "engine = 'aks'")


if __name__ == "__main__":
    unittest.main(verbosity=2)
