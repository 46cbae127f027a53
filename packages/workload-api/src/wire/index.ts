export { workloadService, type WorkloadMethod } from './service.ts'
