// Runs an MCP server as a desktop program or an agent does, and calls its tools.
const path = require("node:path");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");

// What the model reads when a tool did not do what it was asked.
exports.Refused = class Refused extends Error {
  toString() {
    return this.message;
  }
};

// A running server of this package; `env` is what stands under "env" in the configuration of the MCP client.
exports.start = async (name, file, env) => {
  const server = path.join(process.env.NODE_PATH, name, file);
  const all = { ...process.env, ...env };
  const transport = new StdioClientTransport({ command: process.execPath, args: [server], env: all, stderr: "ignore" });
  const client = new Client({ name: "an agent", version: "1" });
  await client.connect(transport);
  // The text of what a tool answers.
  return async (tool, given) => {
    const { content, isError } = await client.callTool({ name: tool, arguments: given });
    const text = content.map((part) => part.text).join("\n");
    if (isError) throw new exports.Refused(text);
    return text;
  };
};
