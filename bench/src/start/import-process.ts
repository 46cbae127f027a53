/**
 * Loads a framework, then Countersign with its adapter, and answers with the milliseconds of processor time of each step.
 * What Countersign loads only when it is needed comes last.
 */
import { createRequire } from 'node:module'

const { BENCH_KEY: key = '', BENCH_CERT: cert = '', BENCH_CA: ca = '', BENCH_FRAMEWORK: framework = '' } = process.env
// Dependencies of the packages, in the form in which they load them.
const load = createRequire(import.meta.resolve('@countersign/core'))
const steps: Record<string, number> = {}

// Only what Countersign adds to a service counts.
await import(framework)
const core = await step('@countersign/core', () => import('@countersign/core'))
await step('the adapter', () => import(`@countersign/${framework}`))
await step('reflect-metadata and @peculiar/x509, with the first certificate', async () => {
  load('reflect-metadata')
  load('@peculiar/x509')
})
await step('micromatch, with the first pattern of a rule for callers', async () => {
  load('micromatch')
})
await step('createGuard', async () => {
  const { createGuard, authenticated, staticSource } = core
  const source = staticSource({ key, cert, bundles: { 'saas.example': ca } })
  createGuard({ source, rules: [{ path: '/internal/**', allow: authenticated() }] })
  await source.close()
})
process.send?.(steps, () => process.exit())

async function step<Value>(name: string, run: () => Promise<Value>): Promise<Value> {
  const start = process.cpuUsage()
  const value = await run()
  const { user, system } = process.cpuUsage(start)
  steps[name] = (user + system) / 1000
  return value
}
