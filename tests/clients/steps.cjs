// Runs the steps of a session one at a time, as steps.py does for Python.
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

// Until standard input ends. What a step throws is what its user would have seen; `refused` tells whether it may be
// thrown at all, any other error ends the session.
exports.serve = async (steps, refused) => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...words] = line.trim().split(" ");
    let seen;
    try {
      seen = { returned: await steps[name](...words) };
    } catch (error) {
      if (!refused(error)) throw error;
      seen = { raised: error.constructor.name, status: error.code ?? null, text: String(error) };
    }
    console.log(JSON.stringify(seen));
  }
  process.exit(0);
};

// The step that tells which version of the client this is.
exports.version = (name) => () => {
  const file = path.join(process.env.NODE_PATH, name, "package.json");
  return JSON.parse(fs.readFileSync(file, "utf8")).version;
};
