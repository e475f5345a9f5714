module github.com/kubeadm-arm/kubeadm-arm/testdata/manifests/generate

go 1.26.0
