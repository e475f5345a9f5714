package drive

import "strings"

// Works are objects with a server behind a Service, both named works: its pods are of a
// Deployment or a DaemonSet, as kind says. IMAGE stands for the only image on the board that
// can be a server: CoreDNS answers "OK" for its own health.
func Works(kind string) string { return strings.Replace(works, "KIND", kind, 1) }

const works = `apiVersion: v1
kind: ConfigMap
metadata: {name: works}
data:
  Corefile: |
    .:5353 {
      health :8080
    }
---
apiVersion: apps/v1
kind: KIND
metadata: {name: works}
spec:
  selector: {matchLabels: {app: works}}
  template:
    metadata: {labels: {app: works}}
    spec:
      tolerations: [{operator: Exists}]
      terminationGracePeriodSeconds: 5
      containers:
      - name: works
        image: IMAGE
        args: [-conf, /etc/works/Corefile]
        readinessProbe: {httpGet: {path: /health, port: 8080}}
        volumeMounts: [{name: config, mountPath: /etc/works}]
      volumes: [{name: config, configMap: {name: works}}]
---
apiVersion: v1
kind: Service
metadata: {name: works}
spec:
  selector: {app: works}
  ports: [{port: 80, targetPort: 8080}]
`
