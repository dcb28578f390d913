#!/usr/bin/env bash
# What deploy.sh says when all is there. bash 3.2, as lib.sh.
# shellcheck disable=SC2154 # names shared with deploy.sh

# One line each, in this order; jq would be one more thing to install.
read_outputs() {
  local query='properties.outputs.[keyVaultName.value, keyVaultUrl.value, eventHubNamespace.value, eventHubName.value, containerGroupName.value, clusterName.value, frontAddress.value, frontPort.value, registryName.value, registryLoginServer.value]' outputs
  outputs=$(az deployment group show --resource-group "$group" --name deltawave --query "$query" --output tsv | tr -d '\r')
  {
    read -r vault; read -r vault_url; read -r namespace; read -r hub; read -r containers; read -r cluster
    read -r address; read -r port; read -r registry; read -r server
  } <<<"$outputs"
}

say_next() {
  local secrets
  # A certificate is a secret that the vault manages. Who may not read them is told of all of it.
  secrets=" $(az keyvault secret list --vault-name "$vault" --include-managed true --query '[].name' --output tsv --only-show-errors 2>/dev/null | tr '\r\n' '  ') " ||
    secrets=' ? '
  echo
  if [[ -n $cluster ]]; then
    echo "Next, the cluster: deploy/aks/install.sh -g $group"
  elif [[ -z $containers ]]; then
    say_how_to_push
    return
  else
    cat <<END
Look, in a shell beside RisingWave:
  az container exec --resource-group $group --name $containers --container-name loader --exec-command bash
  deltawave status
END
    say_sql "$secrets"
  fi
  cat <<END
Produce, from where port 9093 of $namespace.servicebus.windows.net is open:
  cargo run --bin producer -- --event-hub $namespace/$hub \\
END
  case $secrets in
    *' producer-connection-string '* | ' ? ') echo "    --connection-string keyvault:producer-connection-string --key-vault-url $vault_url" ;;
    *) echo "    --credential auto      as an identity among the parameter producers.principalIds; no connection string was made" ;;
  esac
}

say_sql() {
  local name=$address private=0 where
  if [[ -z $address ]]; then
    echo "SQL is open to nobody outside; dnsLabel=NAME opens it to the internet, network.private in a VNet (docs/deploy.md)"
    return
  fi
  where="host=$address"
  if [[ $address =~ ^[0-9.]+$ ]]; then
    private=1 name=NAME where="host=NAME hostaddr=$address"
    echo "SQL is open in the VNet, in peered networks, and by VPN, as network.clientAddresses allows. The address may change when
Azure moves the containers: az container show --resource-group $group --name $containers --query ipAddress.ip --output tsv"
  fi
  if [[ $1 != *' sql '* ]]; then
    cat <<END
SQL by TLS: the port stays shut until the vault has a certificate named sql. This makes one that signs itself:
  az keyvault certificate create --vault-name $vault --name sql --policy '{"issuerParameters":{"name":"Self"},"keyProperties":{"exportable":true,"keyType":"RSA","keySize":2048},"secretProperties":{"contentType":"application/x-pem-file"},"x509CertificateProperties":{"subject":"CN=$name","subjectAlternativeNames":{"dnsNames":["$name"]},"validityInMonths":12},"lifetimeActions":[{"trigger":{"daysBeforeExpiry":30},"action":{"actionType":"AutoRenew"}}]}'
and this takes your own: az keyvault certificate import --vault-name $vault --name sql --file chain-and-key.pem
END
  fi
  if ((private)); then echo "NAME is a name of the certificate, and need not be in any DNS."; fi
  cat <<END
Then query it (a certificate of a public authority: sslrootcert=system, and nothing to download):
  az keyvault certificate download --vault-name $vault --name sql --file sql.pem --encoding PEM
  PGPASSWORD="\$(az keyvault secret show --vault-name $vault --name risingwave-reader-password --query value --output tsv)" \\
    psql "$where port=$port user=reader dbname=dev sslmode=verify-full sslrootcert=sql.pem" \\
    --command 'SELECT * FROM latest_user_state ORDER BY id'
END
}

say_how_to_push() {
  [[ -n $registry ]] || { echo "All but what runs the image is there. Deploy again with image=…"; return 0; }
  cat <<END
All but what runs the image is there. Build and push it, from an address that the registry lets in (operator.addresses):
  az acr login --name $registry
  docker buildx build --platform linux/amd64 --file deploy/Dockerfile --tag $server/deltawave:TAG --push .
then deploy again with image=$server/deltawave:TAG instead of run=false
END
}
