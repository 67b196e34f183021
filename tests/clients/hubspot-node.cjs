// @hubspot/api-client with a token; `basePath` moves the typed calls and `apiRequest` alike.
const { Client } = require("@hubspot/api-client");
const { serve, version } = require("./steps.cjs");

const { BASE, TOKEN } = process.env;

const client = new Client({ accessToken: TOKEN, basePath: BASE }); // changed

const { companies, deals, objects } = client.crm;
const names = (found) => found.map((each) => each.properties.name);
const customers = { propertyName: "lifecyclestage", operator: "EQ", value: "customer" };

const holds = (record, properties) =>
  Object.entries(properties).every(([name, value]) => record.properties[name] === value);
const update = async (id, properties) => holds(await deals.basicApi.update(id, { properties }), properties);

serve({
  version: version("@hubspot/api-client"),
  read: async (id) => (await companies.basicApi.getById(id, ["name"])).properties.name,
  query: async () => names((await companies.searchApi.doSearch({
    limit: 3, properties: ["name"], filterGroups: [{ filters: [customers] }], sorts: ["name"],
  })).results),
  pages: async () => names(await companies.getAll(4, undefined, ["name"])),
  untyped: async () => String((await client.apiRequest({ path: "/crm/v3/owners" })).status),
  create: async (text) => {
    const properties = { hs_timestamp: "2026-11-20T09:00:00Z", hs_note_body: text };
    return (await objects.basicApi.create("notes", { properties, associations: [] })).id;
  },
  update: (deal, text) => update(deal, { description: text }),
  batch: async (one, two, description) => {
    const inputs = [one, two].map((id) => ({ id, properties: { description } }));
    return (await deals.batchApi.update({ inputs })).results.map((deal) => holds(deal, { description }));
  },
  delete: async (note) => (await objects.basicApi.archive("notes", note)) === undefined,
  denied: (deal) => update(deal, { amount: "5" }),
  held: (deal, stage) => update(deal, { dealstage: stage }),
}, (error) => typeof error.code === "number");
