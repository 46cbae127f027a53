import { isatty } from 'node:tty'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'
import { rotateByAgent } from './agent-rotation.ts'
import { createAuthorities, serviceId } from './callers.ts'
import { rotateByFiles } from './file-rotation.ts'
import { isExpected, makeCalls } from './make-calls.ts'
import { isSmooth } from './rotation.ts'
import { serve } from './serve.ts'
import { startServices } from './services.ts'
import { formatDifferences, formatRotations, formatTable } from './table.ts'

const given = process.argv.slice(2)
if (given.length === 0) {
  process.exitCode = await demonstrate()
} else if (given.length === 1 && given[0] === '--serve') {
  await serve()
} else {
  console.error(`found ${given.join(' ')}, expected nothing or --serve\nusage: npm start [-- --serve]`)
  process.exitCode = 2
}

async function demonstrate(): Promise<number> {
  const authorities = await createAuthorities()
  await using agent = await startAgent({
    authorities: [authorities.ours, authorities.partner],
    entries: [{ spiffeId: serviceId, federatesWith: ['partner.example'] }],
  })
  await using source = await workloadApiSource({ endpoint: agent.endpoint })
  const services = await startServices({ source, trustDomains: ['saas.example', 'partner.example'] })
  const results = await makeCalls(services, authorities)
  await Promise.all(services.map((service) => service.close()))

  const display = { isTerminal: isatty(process.stdout.fd), columns: process.stdout.columns }
  for (const line of formatTable(results, display)) console.log(line)
  console.log()
  const rotations = (await Promise.all([rotateByFiles(authorities), rotateByAgent(authorities)])).flat()
  for (const line of formatRotations(rotations, display)) console.log(line)
  console.log()
  if (results.every(isExpected) && rotations.every(isSmooth)) {
    console.log(
      `all ${results.length} calls were answered as expected, and none failed while certificates were replaced`,
    )
    return 0
  }
  for (const line of formatDifferences(results)) console.log(line)
  return 1
}
