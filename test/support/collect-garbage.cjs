// Preloaded into a gateway (`--require`) whose memory is measured: what every thread holds is told
// by its size only where garbage is collected as soon as there is some.
const { setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");

setFlagsFromString("--expose-gc");
setInterval(runInNewContext("gc"), 500).unref();
setFlagsFromString("--no-expose-gc");
