/** `npm run soak`: requests at a steady rate over kept connections while the service's files are replaced. */
import { parseArgs } from 'node:util'
import { formatReport, isFlawless } from './report.ts'
import { soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    framework: { type: 'string', default: 'Fastify' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '1000' },
  },
})
const { framework } = values
if (framework !== 'Fastify' && framework !== 'Express')
  throw new Error(`--framework: found ${framework}, expected Fastify or Express`)

const report = await soak({
  framework,
  seconds: parseCount('seconds', values.seconds),
  rate: parseCount('rate', values.rate),
})
console.log(formatReport(report))
process.exitCode = isFlawless(report) ? 0 : 1

function parseCount(name: string, text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0) return count
  throw new Error(`--${name}: found ${text}, expected a whole number above 0`)
}
