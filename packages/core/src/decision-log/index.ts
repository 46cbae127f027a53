/**
 * Exported as `@countersign/core/decision-log`: writes the decision log and reads it again, without loading the guard.
 *
 * @module @countersign/core/decision-log
 */
export type { DecisionLine, DroppedCounts, DroppedLine, WouldBeLine } from './decision-line.ts'
export { type DecisionLog, decisionLog } from './decision-log.ts'
export type { DecisionLogOptions } from './decision-log-options.ts'
export { parseDecisionLine } from './parse-decision-line.ts'
export { type LogEntry, readDecisionLog } from './read-decision-log.ts'
