/** `npm run bench`: what a request costs with Countersign, beside the same without it and with a check written by hand. */
import { measureCall, measureRules } from './measure-calls.ts'
import { measureServers } from './measure-servers.ts'
import { formatTable } from './table.ts'
import { issueIdentities } from './workload.ts'

const identities = await issueIdentities()
console.log(formatTable('authenticate and decide, one call', await measureCall(identities)))
console.log(`\n${formatTable('the same by number of rules', await measureRules(identities))}`)
console.log(`\n${formatTable('server CPU for each request', await measureServers('Fastify', identities))}`)
console.log(`\n${formatTable('server CPU for each request', await measureServers('Express', identities))}`)
