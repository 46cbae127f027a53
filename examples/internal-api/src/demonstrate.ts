import { isatty } from 'node:tty'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'
import { rotateByAgent } from './agent-rotation.ts'
import { createAuthorities, serviceId } from './callers.ts'
import { rotateByFiles } from './file-rotation.ts'
import { isExpected, makeCalls } from './make-calls.ts'
import { isSmooth, type OnRotation } from './rotation.ts'
import { startServices } from './services.ts'
import { createTable, formatDifferences, formatRotations } from './table.ts'

/** Makes all calls, then replaces certificates under continuous calls. Returns the exit code. */
export async function demonstrate(): Promise<number> {
  const authorities = await createAuthorities()
  await using agent = await startAgent({
    authorities: [authorities.ours, authorities.partner],
    entries: [{ spiffeId: serviceId, federatesWith: ['partner.example'] }],
  })
  await using source = await workloadApiSource({ endpoint: agent.endpoint })
  const services = await startServices({ source, trustDomains: ['saas.example', 'partner.example'] })
  const display = { isTerminal: isatty(process.stdout.fd), columns: process.stdout.columns }
  const { heading, formatRow } = createTable(display)
  console.log(heading)
  const results = await makeCalls(services, authorities, {
    onResults: (rows) => rows.forEach((result) => console.log(formatRow(result))),
    onWait: () => console.log('… waiting until a certificate with a lifetime of 3 seconds has expired'),
  })
  await Promise.all(services.map((service) => service.close()))

  console.log('\nThe certificates of both services are replaced under continuous calls.\n')
  const rotating = [rotateByFiles(authorities, showRotation), rotateByAgent(authorities, showRotation)]
  const rotations = (await Promise.all(rotating)).flat()
  console.log()
  for (const line of formatRotations(rotations, display)) console.log(line)
  console.log()
  if (results.every(isExpected) && rotations.every(isSmooth)) {
    console.log(`all ${results.length} calls had the expected result, and none failed while certificates were replaced`)
    return 0
  }
  for (const line of formatDifferences(results)) console.log(line)
  return 1
}

const showRotation: OnRotation = (how, count) => console.log(`… ${how}: ${count === 1 ? 'once' : `${count} times`}`)
