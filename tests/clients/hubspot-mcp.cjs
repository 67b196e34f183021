// @hubspot/mcp-server, HubSpot's own local MCP server.
const { Refused, start } = require("./mcp.cjs");
const { serve, version } = require("./steps.cjs");

const { BASE, TOKEN } = process.env;
const NAME = "@hubspot/mcp-server";

const env = {
  PRIVATE_APP_ACCESS_TOKEN: TOKEN,
  BASE_URL_OVERRIDE: BASE, // changed
};

const server = start(NAME, "dist/index.js", env);
const call = async (tool, given) => JSON.parse(await (await server)(tool, given));
const names = (found) => found.results.map((each) => each.properties.name);

const batch = async (ids, properties) => {
  const inputs = ids.map((id) => ({ id, properties }));
  const done = await call("hubspot-batch-update-objects", { objectType: "deals", inputs });
  return done.results.map((deal) =>
    Object.entries(properties).every(([name, value]) => deal.properties[name] === value));
};
const list = (given) => call("hubspot-list-objects", { objectType: "companies", properties: ["name"], ...given });

serve({
  version: version(NAME),
  read: async (id) => names(await call("hubspot-batch-read-objects", {
    objectType: "companies", inputs: [{ id }], properties: ["name"],
  }))[0],
  query: async () => names(await call("hubspot-search-objects", {
    objectType: "companies", limit: 3, properties: ["name"],
    filterGroups: [{ filters: [{ propertyName: "lifecyclestage", operator: "EQ", value: "customer" }] }],
    sorts: [{ propertyName: "name", direction: "ASCENDING" }],
  })),
  pages: async () => {
    const first = await list({ limit: 4 });
    return [...names(first), ...names(await list({ limit: 4, after: first.paging.next.after }))];
  },
  create: async (text) => (await call("hubspot-batch-create-objects", {
    objectType: "notes", inputs: [{ properties: { hs_timestamp: "2026-11-20T09:00:00Z", hs_note_body: text } }],
  })).results[0].id,
  update: async (deal, description) => (await batch([deal], { description }))[0],
  batch: (one, two, description) => batch([one, two], { description }),
  denied: (deal) => batch([deal], { amount: "5" }),
  held: async (deal, stage) => (await batch([deal], { dealstage: stage }))[0],
}, (error) => error instanceof Refused);
