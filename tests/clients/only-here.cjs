// Loaded before a client of Node: a connection to anybody but the proxy at BASE goes to OTHERS, where it is counted.
// An environment that names a proxy for HTTP would do, if jsforce heeded NO_PROXY.
const net = require("node:net");

const at = (url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) });
const here = at(process.env.BASE);
const others = at(process.env.OTHERS);

const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...given) {
  const all = Array.isArray(given[0]) ? given[0] : net._normalizeArgs(given);
  const [options] = all;
  if (!options.path && (options.host !== here.host || Number(options.port) !== here.port)) {
    Object.assign(options, others);
  }
  return connect.call(this, all);
};
