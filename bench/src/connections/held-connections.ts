import { MeasuredProcess } from '../measure/child-process.ts'
import { isObject } from '../measure/is-object.ts'
import type { HoldTask } from './connection-task.ts'

/** Connections that stand open, in processes of their own. */
export interface HeldConnections {
  close(): Promise<void>
}

/** Opens as many connections as asked, shared among client processes. */
export async function holdConnections(task: HoldTask): Promise<HeldConnections> {
  const file = new URL('./hold-connections.js', import.meta.url)
  const shares = Array.from({ length: holders }, (_, index) => Math.floor((task.count + index) / holders))
  const started = await Promise.all(shares.map((count) => MeasuredProcess.start(file, { ...task, count })))
  return {
    close: async () => {
      await Promise.all(started.map(({ process }) => process.stop()))
    },
  }
}

/** As many connections as were asked for, or as many as this system lets one process have. */
export function limitConnections(wanted: number): number {
  const report: unknown = process.report.getReport()
  const limits: unknown = isObject(report) ? Reflect.get(report, 'userLimits') : undefined
  const files: unknown = isObject(limits) ? Reflect.get(limits, 'open_files') : undefined
  const soft: unknown = isObject(files) ? Reflect.get(files, 'soft') : undefined
  const most = Number(soft)
  return Number.isFinite(most) ? Math.min(wanted, most - spareFiles) : wanted
}

const holders = 4

// What a process has open besides.
const spareFiles = 200
