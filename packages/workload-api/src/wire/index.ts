export { loadWorkloadService, type WorkloadMethod, type WorkloadService } from './service.ts'
