/**
 * `npm run soak`: requests at a steady rate over kept connections while the service's certificate is replaced every
 * second; with `--both` also that of its caller.
 */
import { parseArgs } from 'node:util'
import { formatBothReport, isFlawlessBoth } from './both/report.ts'
import { soakBoth } from './both/soak-both.ts'
import { formatReport, isFlawless } from './report.ts'
import { hows } from './rotation.ts'
import { soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    framework: { type: 'string', default: 'Fastify' },
    how: { type: 'string', default: 'both' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '1000' },
    both: { type: 'boolean', default: false },
  },
})
const { framework } = values
if (framework !== 'Fastify' && framework !== 'Express')
  throw new Error(`--framework: found ${framework}, expected Fastify or Express`)

const chosen = hows.filter((how) => how === values.how || values.how === 'both')
if (chosen.length === 0) throw new Error(`--how: found ${values.how}, expected ${hows.join(', ')} or both`)

const seconds = parseCount('seconds', values.seconds)
const rate = parseCount('rate', values.rate)
if (values.both) {
  const report = await soakBoth(framework, seconds, rate)
  console.log(`${formatBothReport(report)}\n`)
  if (!isFlawlessBoth(report)) process.exitCode = 1
}

for (const how of values.both ? [] : chosen) {
  const report = await soak({ framework, how, seconds, rate })
  console.log(`${formatReport(report)}\n`)
  if (!isFlawless(report)) process.exitCode = 1
}

function parseCount(name: string, text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0) return count
  throw new Error(`--${name}: found ${text}, expected a whole number above 0`)
}
