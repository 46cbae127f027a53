import type { MaterialInput } from '@countersign/core'
import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import type { RequestTask } from '../request/request-case.ts'
import type { Framework } from '../subject.ts'
import type { Platform } from './platform.ts'

/** Returns Countersign on both frameworks, with the servers of the request suite. */
export function createOwnPlatforms(material: MaterialInput): readonly Platform[] {
  return (['Fastify', 'Express'] as const).map((framework) => createOwnPlatform(framework, material))
}

function createOwnPlatform(framework: Framework, material: MaterialInput): Platform {
  return {
    name: framework,
    guard: 'Countersign',
    warmUp: { requests: 4000, connections: 200 },
    start: async (mode) => {
      const task: RequestTask = {
        framework,
        check: mode === 'bare' ? 'none' : 'countersign',
        http: 1,
        connections: 0,
        rules: 3,
        isAllowed: true,
        logs: false,
        material,
      }
      const file = new URL('../request/request-server.js', import.meta.url)
      const { process, answer } = await MeasuredProcess.start(file, task)
      return {
        port: expectNumber(answer),
        time: () => process.askNumber('time'),
        stop: () => process.stop(),
      }
    },
  }
}
