// @tsmztech/mcp-server-salesforce with a user and a password; it logs in anew for each call.
const { Refused, start } = require("./mcp.cjs");
const { serve, version } = require("./steps.cjs");

const { BASE, USER, PASSWORD } = process.env;
const NAME = "@tsmztech/mcp-server-salesforce";

const env = {
  SALESFORCE_USERNAME: USER,
  SALESFORCE_PASSWORD: PASSWORD,
  SALESFORCE_INSTANCE_URL: BASE, // changed
};

const server = start(NAME, "dist/index.js", env);
const call = async (tool, given) => (await server)(tool, given);

const names = async (more) => {
  const given = { objectName: "Account", fields: ["Name"], orderBy: "Name", ...more };
  const text = await call("salesforce_query_records", given);
  return text.split("\n").filter((line) => line.includes("Name: ")).map((line) => line.split("Name: ")[1]);
};
const write = async (operation, objectName, ...records) => {
  const text = await call("salesforce_dml_records", { operation, objectName, records });
  if (!text.includes("Failed: 0")) throw new Refused(text);
  return records.map(() => true);
};
const one = async (...given) => (await write(...given))[0];

serve({
  version: version(NAME),
  read: async (id) => (await names({ whereClause: `Id = '${id}'` }))[0],
  query: () => names({ limit: 3 }),
  create: (Subject) => one("insert", "Task", { Subject }),
  update: (Id, NextStep) => one("update", "Opportunity", { Id, NextStep }),
  batch: (one, two, NextStep) => write("update", "Opportunity", { Id: one, NextStep }, { Id: two, NextStep }),
  delete: (Id) => one("delete", "Task", { Id }),
  denied: (Id) => one("update", "Opportunity", { Id, Amount: 5 }),
  held: (Id, StageName) => one("update", "Opportunity", { Id, StageName }),
}, (error) => error instanceof Refused);
