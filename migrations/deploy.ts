// Sets up the market of a configuration file on a cluster. What is there already stays, so it can be run again and again. The work
// is `margrave init`: one implementation for the local network and for every other cluster.
//
//   node migrations/deploy.ts [CONFIGURATION] [URL] [KEYPAIR]    by itself
//   ./dev anchor migrate                                          with the provider of Anchor.toml
//
// MARGRAVE_MARKET names another configuration than migrations/localnet.toml, MARGRAVE_CLI another command line.
const { spawnSync } = require("node:child_process");
const { dirname, join } = require("node:path");

const root = dirname(__dirname);

function deploy(config, url, keypair) {
  const cli = process.env.MARGRAVE_CLI ?? join(root, "target/debug/margrave");
  const from = [...(url ? ["--url", url] : []), ...(keypair ? ["--keypair", keypair] : [])];
  const { status, error } = spawnSync(cli, [...from, "init", config], { stdio: "inherit" });
  if (error) throw new Error(`${cli}: ${error.message}; build it with cargo build -p margrave-cli`);
  if (status !== 0) throw new Error(`margrave init ended with code ${status}`);
}

const market = process.env.MARGRAVE_MARKET ?? join(root, "migrations/localnet.toml");

module.exports = async function (provider) {
  deploy(market, provider.connection.rpcEndpoint, process.env.ANCHOR_WALLET);
};

if (require.main === module) {
  const [config = market, url, keypair] = process.argv.slice(2);
  deploy(config, url, keypair);
}
