package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// goWorkName carries the version of the workload: figures of two workloads must
// not be compared, so any change to what one operation does changes the name.
const goWorkName = "go/apiserver-v1"

// goWorkOnAllName is another workload since its lanes do not wait for each other
// after every eight objects.
const goWorkOnAllName = "go/apiserver-v2/all-cores"

// goWork is a small picture of an API server that starts: it decodes objects
// from JSON (what clients send) and from protobuf (what etcd holds), encodes
// them, copies them into a cache with an index, and leaves garbage behind.
//
// One operation is one object. A garbage collection follows each eight objects
// of a lane, and there is none in between: left to itself the collector runs
// once in many objects, and on a slow board the median would be that of the
// objects without it.
type goWork struct {
	json, proto []byte
	lanes       []*lane
}

// lane is what one worker owns. Its cache is the live heap that the garbage
// collector has to walk.
type lane struct {
	cache []*corev1.Pod
	next  int
	index map[string]*corev1.Pod
}

const (
	// objectsPerGC leaves about 600 KB of garbage for each collection and lane.
	objectsPerGC = 8
	// liveObjects is over all lanes, a few hundred KB: about as much as the
	// garbage of one lane, which is how the runtime paces itself by default.
	liveObjects = 64
)

func goWorkOn(lanes int) (work, error) {
	pod := samplePod()
	w := &goWork{}
	var err error
	if w.json, err = json.Marshal(pod); err != nil {
		return work{}, fmt.Errorf("%s: encode JSON: %w", goWorkName, err)
	}
	if w.proto, err = pod.Marshal(); err != nil {
		return work{}, fmt.Errorf("%s: encode protobuf: %w", goWorkName, err)
	}
	for range lanes {
		w.lanes = append(w.lanes, &lane{
			cache: make([]*corev1.Pod, max(1, liveObjects/lanes)),
			index: make(map[string]*corev1.Pod),
		})
	}
	name := goWorkName + "/one-core"
	if lanes > 1 {
		name = goWorkOnAllName
	}
	return work{name: name, ops: objectsPerGC * lanes, parallel: lanes > 1, do: w.do}, nil
}

// do runs n rounds in every lane at once. The lanes wait for each other only at the
// end: how long a sleeping core takes to wake up is no part of this. The first lane
// collects the garbage of all.
func (w *goWork) do(n int) ([]time.Duration, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	errs := make([]error, len(w.lanes))
	var wg sync.WaitGroup
	for i, l := range w.lanes[1:] {
		wg.Go(func() { errs[i+1] = w.run(l, n, func() {}) })
	}
	errs[0] = w.run(w.lanes[0], n, runtime.GC)
	wg.Wait()
	return nil, errors.Join(errs...)
}

func (w *goWork) run(l *lane, rounds int, after func()) error {
	for range rounds {
		for range objectsPerGC {
			if err := w.object(l); err != nil {
				return err
			}
		}
		after()
	}
	return nil
}

// object decodes one JSON and four protobuf messages, encodes one, makes one
// deep copy and goes over the labels in order.
func (w *goWork) object(l *lane) error {
	var fromClient corev1.Pod
	if err := json.Unmarshal(w.json, &fromClient); err != nil {
		return fmt.Errorf("%s: decode JSON: %w", goWorkName, err)
	}
	var fromStore corev1.Pod
	for range 4 {
		fromStore = corev1.Pod{}
		if err := fromStore.Unmarshal(w.proto); err != nil {
			return fmt.Errorf("%s: decode protobuf: %w", goWorkName, err)
		}
	}
	if _, err := fromClient.Marshal(); err != nil {
		return fmt.Errorf("%s: encode protobuf: %w", goWorkName, err)
	}
	kept := fromStore.DeepCopy()
	kept.Name = fmt.Sprintf("%s-%d", kept.Name, l.next)
	for _, key := range slices.Sorted(maps.Keys(kept.Labels)) {
		kept.Annotations["index/"+key] = kept.Labels[key]
	}
	slot := l.next % len(l.cache)
	if old := l.cache[slot]; old != nil {
		delete(l.index, old.Name)
	}
	l.cache[slot] = kept
	l.index[kept.Name] = kept
	l.next++
	return nil
}

// samplePod resembles the API server's own static pod, the largest object of a
// fresh cluster.
func samplePod() *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "kube-apiserver-board", Namespace: "kube-system",
			UID:               "5a0f1f3c-7e0b-4c55-9a5f-0c7c0d6e1b2a",
			CreationTimestamp: metav1.Unix(1546300800, 0),
			Labels:            map[string]string{"component": "kube-apiserver", "tier": "control-plane"},
			Annotations: map[string]string{
				"kubernetes.io/config.hash":   "b46cb2cbe9f8b0ee1c6f05d8c6c1b2de",
				"kubernetes.io/config.source": "file",
			},
		},
		Spec: corev1.PodSpec{
			NodeName: "board", HostNetwork: true, PriorityClassName: "system-node-critical",
			SecurityContext: &corev1.PodSecurityContext{
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	container := corev1.Container{
		Name: "kube-apiserver", Image: "registry.k8s.io/kube-apiserver:v1.0.0",
		Command: []string{"kube-apiserver"},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")},
		},
	}
	for i := range 30 {
		container.Command = append(container.Command, fmt.Sprintf("--some-option-number-%d=/etc/kubernetes/pki/file-%d.crt",
			i, i))
	}
	check := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Host: "192.168.1.155", Path: path, Port: intstr.FromInt32(6443), Scheme: corev1.URISchemeHTTPS,
			}},
			InitialDelaySeconds: 10, TimeoutSeconds: 15, PeriodSeconds: 10, FailureThreshold: 8,
		}
	}
	container.LivenessProbe, container.StartupProbe = check("/livez"), check("/livez")
	container.ReadinessProbe = check("/readyz")
	kind := corev1.HostPathDirectoryOrCreate
	for i := range 6 {
		name, path := fmt.Sprintf("volume-%d", i), fmt.Sprintf("/etc/folder-%d", i)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind},
		}})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path,
			ReadOnly: true})
	}
	pod.Spec.Containers = []corev1.Container{container}
	for _, condition := range []corev1.PodConditionType{corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady,
		corev1.PodScheduled} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Unix(1546300800, 0),
		})
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP = "192.168.1.155"
	return pod
}
